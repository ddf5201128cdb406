"""Firing times: agreement with Celery's own crontab and with croniter, shifts of time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.app import firing_times
from celery.schedules import crontab
from croniter import croniter

UTC = UTC
START = datetime(2026, 2, 27, 12, 0, tzinfo=UTC)

CRONTABS = [
    {"minute": 0, "hour": 6},
    {"minute": 30},
    {"minute": "*/10"},
    {"minute": "*/7", "hour": "22-2"},
    {"minute": 0, "hour": 2, "day_of_week": "sunday"},
    {"minute": 0, "hour": 8, "day_of_week": "mon-fri"},
    {"minute": "5,35", "hour": "*/3", "day_of_week": "6,0"},
    {"minute": 15, "hour": 4, "day_of_month": "1,15"},
    {"minute": 0, "hour": 0, "month_of_year": "jan,jul", "day_of_month": 31},
    {"minute": 59, "hour": 23, "day_of_month": 29, "month_of_year": 2},
]


def describe(arguments: dict) -> str:
    return " ".join(f"{key}={value}" for key, value in arguments.items())


@pytest.mark.parametrize("arguments", CRONTABS, ids=describe)
def test_cron_text_fires_when_celerys_sets_do(arguments: dict) -> None:
    sets = firing_times.sets_of(crontab(**arguments))
    expected = firing_times.local_firings(sets, UTC, START, 10)
    local = croniter(firing_times.cron_text(sets), START)
    assert [local.get_next(datetime) for _ in expected] == expected
    assert len(expected) == 10


@pytest.mark.parametrize("arguments", CRONTABS[:8], ids=describe)
def test_firings_agree_with_celerys_own_reckoning(arguments: dict) -> None:
    schedule = crontab(**arguments, app=None)
    moment = START
    for expected in firing_times.local_firings(firing_times.sets_of(schedule), UTC, START, 5):
        schedule.nowfun = lambda moment=moment: moment
        last, delta, _now = schedule.remaining_delta(moment, tz=UTC)
        moment = (last + delta).astimezone(UTC)
        assert moment == expected


def test_both_days_restricted_is_refused_with_advice() -> None:
    sets = firing_times.sets_of(crontab(minute=0, hour=0, day_of_month=1, day_of_week=1))
    with pytest.raises(firing_times.NotExpressible, match="Restrict one of them"):
        firing_times.cron_text(sets)


def test_a_cron_longer_than_the_field_is_refused() -> None:
    sets = firing_times.sets_of(crontab(minute="0-58/2", hour="0-22/2"))
    with pytest.raises(firing_times.NotExpressible, match="holds 100"):
        firing_times.cron_text(sets)


@pytest.mark.parametrize(
    ("arguments", "own", "wanted"),
    [
        ({"minute": 15, "hour": 4}, "Asia/Kolkata", "UTC"),
        ({"minute": 0, "hour": 1, "day_of_week": "mon"}, "Asia/Kolkata", "UTC"),
        ({"minute": 0, "hour": 23, "day_of_week": "sun"}, "America/Bogota", "Asia/Kolkata"),
        ({"minute": "*/15"}, "Asia/Kathmandu", "UTC"),
        ({"minute": 0, "hour": 12}, "Europe/Madrid", "Europe/Paris"),
    ],
)
def test_a_shift_keeps_every_firing(arguments: dict, own: str, wanted: str) -> None:
    sets = firing_times.sets_of(crontab(**arguments))
    moved = firing_times.in_zone(sets, ZoneInfo(own), ZoneInfo(wanted), START)
    assert firing_times.local_firings(
        moved, ZoneInfo(wanted), START, 40
    ) == firing_times.local_firings(sets, ZoneInfo(own), START, 40)


@pytest.mark.parametrize(
    ("arguments", "own"),
    [
        ({"minute": 0, "hour": 8}, "Europe/Madrid"),
        ({"minute": 0, "hour": 2, "day_of_month": 1}, "Asia/Kolkata"),
        ({"minute": "0,15,40", "hour": "1,2"}, "Asia/Kolkata"),
        ({"minute": "0,30", "hour": 1}, "Asia/Kolkata"),
        ({"minute": 0, "hour": "1,12", "day_of_week": 1}, "Asia/Kolkata"),
    ],
)
def test_what_a_shift_would_change_is_refused(arguments: dict, own: str) -> None:
    sets = firing_times.sets_of(crontab(**arguments))
    with pytest.raises(firing_times.NotExpressible):
        firing_times.in_zone(sets, ZoneInfo(own), ZoneInfo("UTC"), START)


def test_an_interval_counts_from_its_last_run() -> None:
    last = START - timedelta(minutes=3)
    first, second = firing_times.interval_firings(600, last, START, 2)
    assert (first, second) == (last + timedelta(minutes=10), last + timedelta(minutes=20))


def test_an_interval_that_is_due_now_fires_next_time() -> None:
    assert firing_times.interval_firings(60, START - timedelta(minutes=1), START, 1) == [
        START + timedelta(minutes=1)
    ]
