"""Moments as the manifest and Docker tell them."""

from __future__ import annotations

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.moment import (
    gap_seconds,
    now,
    parse,
)

TEN = "2026-03-01T10:00:00Z"


@pytest.mark.parametrize(
    "text",
    ["2026-03-01T10:00:00.25Z", "2026-03-01T10:00:00.250000000Z", "2026-03-01T10:00:00.25+00:00"],
)
def test_all_forms_are_read(text: str) -> None:
    assert parse(text).isoformat() == "2026-03-01T10:00:00.250000+00:00"


def test_what_is_written_is_read() -> None:
    assert parse(now()).tzinfo is not None


@pytest.mark.parametrize(
    ("ended", "took_over", "gap"),
    [
        ([TEN], ["2026-03-01T10:00:02.5Z"], 2.5),
        ([TEN], ["2026-03-01T09:59:00Z"], 0.0),
        ([TEN, "2026-03-01T10:00:01Z"], ["2026-03-01T10:00:05Z", "2026-03-01T10:00:03Z"], 2.0),
        ([], [TEN], None),
        ([TEN], [], None),
    ],
)
def test_gap(ended: list[str], took_over: list[str], gap: float | None) -> None:
    assert gap_seconds(ended, took_over) == gap
