"""Docker's sizes as numbers."""

from __future__ import annotations

import json

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.container_memory import (
    bytes_of,
    memory_by_id,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0B", 0),
        ("512B", 512),
        ("25.5MiB", 26738688),
        ("1.5GiB", 1610612736),
        (" 3kB ", 3000),
        ("--", None),
        ("", None),
    ],
)
def test_bytes_of(text: str, count: int | None) -> None:
    assert bytes_of(text) == count


def test_one_object_a_line() -> None:
    lines = [
        json.dumps({"ID": "aa", "MemUsage": "1MiB / 23.5GiB"}),
        "",
        json.dumps({"ID": "bb", "MemUsage": "-- / --"}),
    ]
    assert memory_by_id("\n".join(lines)) == {"aa": 1048576, "bb": None}
