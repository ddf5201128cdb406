"""When a schedule fires under both engines, asked of the engines' own code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from celery import Celery
from celery.schedules import crontab as CeleryCrontab
from croniter import croniter

from celery2q.schedules.model import Timing

HOW_MANY = 10


def celery_times(
    timing: Timing, start: datetime, zone: str, count: int = HOW_MANY
) -> list[datetime]:
    """The next firing times under beat, in UTC.

    Args:
        timing: the schedule.
        start: now, with a time zone; for an interval also the last run.
        zone: CELERY_TIMEZONE.
        count: how many.
    """
    if timing.kind == "minutes":
        return [start + timedelta(minutes=timing.minutes * n) for n in range(1, count + 1)]
    app = Celery("celery2q", set_as_current=False)
    app.conf.timezone = zone
    app.conf.enable_utc = True
    moment = start.astimezone(UTC)
    times: list[datetime] = []
    schedule = CeleryCrontab(nowfun=lambda: moment, app=app, **timing.celery)
    while len(times) < count:
        last = moment.astimezone(ZoneInfo(zone))
        due = (moment + schedule.remaining_estimate(last)).replace(microsecond=0)
        if due <= moment:
            due = moment.replace(second=0) + timedelta(minutes=1)
        times.append(due)
        moment = due
    return times


def q_times(timing: Timing, start: datetime, zone: str, count: int = HOW_MANY) -> list[datetime]:
    """The next firing times under Django-Q2, in UTC.

    Args:
        timing: the schedule.
        start: now, with a time zone; for an interval also the last run.
        zone: Q_CLUSTER["time_zone"].
        count: how many.
    """
    if timing.kind == "minutes":
        return [start + timedelta(minutes=timing.minutes * n) for n in range(1, count + 1)]
    ticks = croniter(timing.cron, start.astimezone(ZoneInfo(zone)))
    return [ticks.get_next(datetime).astimezone(UTC) for _ in range(count)]
