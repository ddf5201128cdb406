"""The moment at which beat ended, as Docker and as Ansible tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.app import schedules_hand_over


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-03-27T12:00:30.123456789Z", 123456),
        ("2026-03-27T12:00:30.5Z", 500000),
        ("2026-03-27T12:00:30Z", 0),
        ("2026-03-27T12:00:30.123456+00:00", 123456),
        ("2026-03-27T14:00:30.1+02:00", 100000),
    ],
)
def test_the_moment_at_which_beat_ended(text: str, micros: int) -> None:
    found = schedules_hand_over.moment(text)
    assert found == datetime(2026, 3, 27, 12, 0, 30, micros, tzinfo=UTC)
    assert found.utcoffset() == (timedelta(hours=2) if "+02" in text else timedelta(0))
