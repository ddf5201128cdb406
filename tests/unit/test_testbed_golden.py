"""Which golden volumes are left to other checkouts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from testbed.golden import ages

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def test_age_is_counted_in_any_zone_and_without_the_mark() -> None:
    """A volume's mark is no golden volume of its own."""
    lines = [
        "cutover-golden-app-1 2026-11-25T11:00:00Z",
        "cutover-golden-app-1-whole 2026-11-25T11:05:00Z",
        "cutover-golden-app-2 2026-11-24T14:00:00+04:00",
    ]
    assert ages(lines, NOW) == {
        "cutover-golden-app-1": timedelta(hours=1),
        "cutover-golden-app-2": timedelta(hours=26),
    }


def test_no_volumes() -> None:
    """A machine that has none is no error."""
    assert ages([], NOW) == {}
