"""After migrate.yml: Django-Q fires when beat would have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from celery.schedules import crontab
from croniter import croniter
from testbed import record
from testbed.air_risk import AirRisk

CRON, MINUTES = "C", "I"
NATIVE, DISABLED = "exposure-ranking", "legacy-nightly-report"
INTERVAL = "hotspots-every-10-minutes"
CRONTABS = (
    "daily-ingestion-pipeline",
    "daily-scheduled-reports",
    "hourly-raster-cleanup",
    "kolkata-morning-exposure",
    "weekly-model-retraining",
)
COMPARED = 10


@pytest.fixture
def schedules(app: AirRisk) -> dict[str, dict[str, Any]]:
    """Django-Q's schedules by name."""
    return record.schedules(app)


def beats_firings(row: dict[str, Any], since: datetime, count: int) -> list[datetime]:
    """The first moments from `since` on at which beat would fire a crontab, minute by minute."""
    fields = row["crontab"]
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    wanted = crontab(**{name: fields[name] for name in names})
    zone = ZoneInfo(fields["timezone"])
    found: list[datetime] = []
    moment = since.replace(second=0, microsecond=0)
    while len(found) < count:
        local = moment.astimezone(zone)
        if (
            moment >= since
            and local.minute in wanted.minute
            and local.hour in wanted.hour
            and local.day in wanted.day_of_month
            and local.month in wanted.month_of_year
            and local.isoweekday() % 7 in wanted.day_of_week
        ):
            found.append(moment)
        moment += timedelta(minutes=1)
    return found


def moment_of(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_the_schedules_are_those_of_beat_and_the_native_one(
    schedules: dict[str, dict[str, Any]], before: dict[str, Any]
) -> None:
    wanted = {*before["beat"], NATIVE} - {"celery.backend_cleanup"}
    assert set(schedules) == wanted
    assert wanted == {*CRONTABS, INTERVAL, DISABLED, NATIVE}


@pytest.mark.parametrize("name", CRONTABS)
def test_crontabs_fire_when_beats_would(
    name: str, schedules: dict[str, dict[str, Any]], before: dict[str, Any]
) -> None:
    row = schedules[name]
    assert row["schedule_type"] == CRON
    assert row["repeats"] == -1
    first = moment_of(row["next_run"])
    just_before = first - timedelta(seconds=1)
    following = croniter(row["cron"], just_before)
    django_qs = [following.get_next(datetime) for _ in range(COMPARED)]
    assert django_qs == beats_firings(before["beat"][name], just_before, COMPARED)
    assert django_qs[0] == first
    # None was skipped: the next one is due now, or the first from now on.
    now = datetime.now(UTC)
    assert first <= beats_firings(before["beat"][name], now, 1)[0]


def test_interval_goes_on(schedules: dict[str, dict[str, Any]]) -> None:
    row = schedules[INTERVAL]
    assert (row["schedule_type"], row["minutes"], row["repeats"]) == (MINUTES, 10, -1)
    assert moment_of(row["next_run"]) <= datetime.now(UTC) + timedelta(minutes=10)


def test_disabled_one_is_parked(schedules: dict[str, dict[str, Any]]) -> None:
    assert schedules[DISABLED]["repeats"] == 0


def test_native_one_is_as_it_was(
    schedules: dict[str, dict[str, Any]], before: dict[str, Any]
) -> None:
    restless = {"next_run", "task"}
    now, was = ({**rows[NATIVE]} for rows in (schedules, before["schedules"]))
    assert {k: v for k, v in now.items() if k not in restless} == {
        k: v for k, v in was.items() if k not in restless
    }
