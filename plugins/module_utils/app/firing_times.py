# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""When a schedule fires: sets of a crontab as cron text, its firing times, its shift of zone.

A crontab is held as five sets of integers, as Celery parses it: minute (0 to 59), hour (0 to 23),
day_of_month (1 to 31), month_of_year (1 to 12), day_of_week (0 to 6, 0 is Sunday).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone, tzinfo

FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
FULL = {
    "minute": set(range(60)),
    "hour": set(range(24)),
    "day_of_month": set(range(1, 32)),
    "month_of_year": set(range(1, 13)),
    "day_of_week": set(range(7)),
}
# Long enough for each 29 February that falls on a given weekday (at most 40 years apart).
HORIZON_DAYS = 41 * 366
# The length of Django-Q's field for a cron expression.
CRON_LENGTH = 100


class NotExpressible(Exception):
    """The other engine cannot say this schedule; the text says why and what to do."""


def sets_of(crontab) -> dict[str, set[int]]:
    """The five sets of an object with Celery's attributes."""
    return {name: set(getattr(crontab, name)) for name in FIELDS}


def field_text(values: set[int], full: set[int]) -> str:
    """A set as a field of cron: `*`, or numbers and ranges."""
    if values == full:
        return "*"
    ordered = sorted(values)
    runs: list[list[int]] = []
    for value in ordered:
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    texts = []
    for items in runs:
        if len(items) > 2:
            texts.append(f"{items[0]}-{items[-1]}")
        else:
            texts += [str(item) for item in items]
    return ",".join(texts)


def cron_text(sets: dict[str, set[int]]) -> str:
    """The sets as a cron expression that means the same.

    Raises:
        NotExpressible: the day of the month and the weekday are both restricted (Celery wants
            both, cron either), or the text is longer than Django-Q's field.
    """
    if sets["day_of_month"] != FULL["day_of_month"] and sets["day_of_week"] != FULL["day_of_week"]:
        raise NotExpressible(
            "day_of_month and day_of_week are both restricted: Celery fires when both match, cron "
            "when either does. Restrict one of them, and test the other inside the task."
        )
    text = " ".join(field_text(sets[name], FULL[name]) for name in FIELDS)
    if len(text) > CRON_LENGTH:
        raise NotExpressible(
            f"the cron expression has {len(text)} characters, Django-Q's field holds "
            f"{CRON_LENGTH}. Split it into two schedules."
        )
    return text


def local_firings(sets: dict[str, set[int]], zone: tzinfo, after: datetime, count: int):
    """The next moments after `after` at which a crontab fires in `zone`, as UTC datetimes.

    Args:
        after: an aware moment; a firing at that very moment is not among them.
        count: how many; fewer come back when the crontab never fires again.
    """
    times = sorted((hour, minute) for hour in sets["hour"] for minute in sets["minute"])
    first: date = after.astimezone(zone).date()
    found: list[datetime] = []
    for offset in range(HORIZON_DAYS):
        day = first + timedelta(days=offset)
        weekday = day.isoweekday() % 7
        if (
            day.month not in sets["month_of_year"]
            or day.day not in sets["day_of_month"]
            or weekday not in sets["day_of_week"]
        ):
            continue
        for hour, minute in times:
            moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone).astimezone(
                timezone.utc
            )
            if moment > after:
                found.append(moment)
                if len(found) == count:
                    return found
    return found


def interval_firings(seconds: float, last: datetime, after: datetime, count: int):
    """The next moments after `after` of an interval of `seconds` that last fired at `last`."""
    elapsed = (after - last).total_seconds()
    steps = max(0, int(elapsed // seconds)) + 1
    return [
        (last + timedelta(seconds=seconds * (steps + index))).astimezone(timezone.utc)
        for index in range(count)
    ]


def constant_offset(zone: tzinfo, moment: datetime) -> timedelta | None:
    """A zone's distance from UTC when it is the same for two years from `moment`, else None."""
    offsets = {
        (moment + timedelta(days=day)).astimezone(zone).utcoffset() for day in range(0, 732, 1)
    }
    return offsets.pop() if len(offsets) == 1 else None


def shifted(sets: dict[str, set[int]], offset: timedelta) -> dict[str, set[int]]:
    """The crontab's sets when its clock is moved by `offset`.

    Raises:
        NotExpressible: the moved times are no longer a product of hours and minutes on the same
            days.
    """
    by_day: dict[int, set[tuple[int, int]]] = {}
    for hour in sets["hour"]:
        for minute in sets["minute"]:
            total = hour * 60 + minute + int(offset.total_seconds() // 60)
            by_day.setdefault(total // 1440, set()).add(divmod(total % 1440, 60))
    every_day = all(
        sets[name] == FULL[name] for name in ("day_of_month", "month_of_year", "day_of_week")
    )
    if every_day:
        times, day_shift = set().union(*by_day.values()), 0
    elif len(by_day) == 1:
        day_shift, times = next(iter(by_day.items()))
    else:
        raise NotExpressible("moved to the cluster's time zone its times fall on different days")
    moved = {
        "minute": {minute for _hour, minute in times},
        "hour": {hour for hour, _minute in times},
    }
    if len(times) != len(moved["minute"]) * len(moved["hour"]):
        raise NotExpressible(
            "moved to the cluster's time zone its times are no longer one list of hours and one of "
            "minutes"
        )
    if day_shift and (
        sets["day_of_month"] != FULL["day_of_month"]
        or sets["month_of_year"] != FULL["month_of_year"]
    ):
        raise NotExpressible("moved to the cluster's time zone it crosses a border of months")
    moved["day_of_week"] = {(day + day_shift) % 7 for day in sets["day_of_week"]}
    moved["day_of_month"], moved["month_of_year"] = sets["day_of_month"], sets["month_of_year"]
    return moved


def in_zone(
    sets: dict[str, set[int]], own: tzinfo, wanted: tzinfo, moment: datetime
) -> dict[str, set[int]]:
    """The crontab's sets on the clock of another zone.

    Raises:
        NotExpressible: the distance of the two zones changes over the year, or see `shifted`.
    """
    same = all(
        (moment + timedelta(days=day)).astimezone(own).utcoffset()
        == (moment + timedelta(days=day)).astimezone(wanted).utcoffset()
        for day in range(732)
    )
    if same:
        return sets
    offsets = constant_offset(own, moment), constant_offset(wanted, moment)
    if offsets[0] is None or offsets[1] is None:
        raise NotExpressible(
            f"it runs in the time zone {own}, the cluster in {wanted}, and their distance changes "
            "over the year. One cluster has one time zone: accept by name that it shifts, or give "
            "the cluster this time zone"
        )
    return shifted(sets, offsets[1] - offsets[0])
