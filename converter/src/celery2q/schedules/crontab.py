"""Celery's crontab, timedelta and numbers, as cron expressions and minutes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from celery.schedules import ParseException
from celery.schedules import crontab as CeleryCrontab
from croniter import CroniterBadDateError, croniter

from celery2q.schedules.model import Inexpressible, Timing

#: Fields in cron's order: (Celery's name, smallest, largest).
FIELDS = (
    ("minute", 0, 59), ("hour", 0, 23), ("day_of_month", 1, 31), ("month_of_year", 1, 12),
    ("day_of_week", 0, 6),
)  # fmt: skip
MAX_CRON = 100
MAX_MINUTES = 32_767


def fires(cron: str) -> bool:
    """Whether a valid cron expression names any moment: `0 0 31 2 *` does not."""
    try:
        croniter(cron, datetime(2026, 1, 1, tzinfo=UTC)).get_next(datetime)
    except CroniterBadDateError:
        return False
    return True


def compact(values: set[int], smallest: int, largest: int) -> str:
    """The shortest cron field for a set of numbers.

    >>> compact({0, 15, 30, 45}, 0, 59)
    '*/15'
    >>> compact({1, 2, 3, 5}, 0, 6)
    '1-3,5'
    """
    ordered = sorted(values)
    if ordered == list(range(smallest, largest + 1)):
        return "*"
    if len(ordered) > 1:
        step = ordered[1] - ordered[0]
        if ordered == list(range(smallest, largest + 1, step)) and step > 1:
            return f"*/{step}"
    parts: list[str] = []
    start = previous = ordered[0]
    for value in [*ordered[1:], None]:
        if value is not None and value == previous + 1:
            previous = value
            continue
        if previous - start > 1:
            parts.append(f"{start}-{previous}")
        else:
            parts.extend(str(number) for number in range(start, previous + 1))
        if value is not None:
            start = previous = value
    return ",".join(parts)


def from_crontab(arguments: dict[str, Any], expressions: dict[str, str] | None = None) -> Timing:
    """Say a crontab as cron.

    Args:
        arguments: keyword arguments of `crontab()`, values as they are (or would be).
        expressions: for arguments that are known only at run time, their source.

    Raises:
        Inexpressible: both days restricted, a field that Celery refuses, or too long.
    """
    known = {name for name, _, _ in FIELDS}
    unknown = set(arguments) - known - {"app", "nowfun"}
    if unknown:
        raise Inexpressible(f"crontab has no field {sorted(unknown)[0]}.")
    arguments = {name: value for name, value in arguments.items() if name in known}
    try:
        schedule = CeleryCrontab(**arguments)
    except (ParseException, ValueError, TypeError) as error:
        raise Inexpressible(f"Celery does not understand this crontab: {error}") from error
    fields = []
    for name, smallest, largest in FIELDS:
        if expressions and name in expressions:
            fields.append(f"{{{expressions[name]}}}")
        else:
            fields.append(compact(set(getattr(schedule, name)), smallest, largest))
    if fields[2] != "*" and fields[4] != "*":
        raise Inexpressible(
            "day_of_month and day_of_week are both restricted: Celery runs when both hold, cron "
            "when either does. Keep one of them and test the other one in the task."
        )
    cron = " ".join(fields)
    if len(cron) > MAX_CRON and not expressions:
        raise Inexpressible(
            f"the cron expression has {len(cron)} characters and the column holds {MAX_CRON}; "
            "split it into two schedules."
        )
    return Timing("cron", cron=cron, celery=arguments, dynamic=bool(expressions))


def from_seconds(seconds: float) -> Timing:
    """Say an interval as minutes.

    Raises:
        Inexpressible: no whole minutes, or more than the column holds.
    """
    if seconds <= 0:
        raise Inexpressible(f"an interval of {seconds:g} s never ends; give it a time.")
    if seconds % 60:
        raise Inexpressible(
            f"an interval of {seconds:g} s: the scheduler looks every 30 s and counts in minutes. "
            "Use whole minutes, or a task that sends itself again with enqueue(countdown=…)."
        )
    minutes = int(seconds // 60)
    if minutes > MAX_MINUTES:
        raise Inexpressible(
            f"an interval of {minutes} minutes: the column holds {MAX_MINUTES} at most. "
            "Use a cron expression."
        )
    return Timing("minutes", minutes=minutes)
