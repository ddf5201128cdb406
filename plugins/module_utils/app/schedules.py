# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Django-Q's rows for beat's entries, and the table that remembers which rows are this project's.

The table `cutover_schedule` is written in the transaction that parks a row (`repeats=0`), so that
the value to go back to is never known to a file alone.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

TABLE = "cutover_schedule"
CREATE_TABLE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    schedule_id integer PRIMARY KEY,
    run_id text NOT NULL,
    name text,
    entry text,
    repeats integer NOT NULL,
    created boolean NOT NULL,
    before text,
    handed_over_at timestamptz
)"""

# The fields of a Schedule that people define; the others are Django-Q's own book-keeping.
FIELDS = (
    "name",
    "func",
    "hook",
    "args",
    "kwargs",
    "schedule_type",
    "minutes",
    "repeats",
    "cron",
    "cluster",
    "intended_date_kwarg",
)
DROPPED_TASKS = {"celery.backend_cleanup"}


def ledger() -> dict[int, dict]:
    """The rows of the table by schedule id; empty when it is not there."""
    from django.db import connection

    if TABLE not in connection.introspection.table_names():
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT schedule_id, run_id, name, entry, repeats, created, before, handed_over_at "
            f"FROM {TABLE}"
        )
        names = [column[0] for column in cursor.description]
        return {row[0]: dict(zip(names, row)) for row in cursor.fetchall()}


def literal(values) -> str:
    """Positional arguments as the text that Django-Q evaluates; "" for none."""
    return repr(tuple(values)) if values else ""


def keywords(values: dict) -> str:
    """Keyword arguments as the text that Django-Q evaluates; "" for none."""
    return repr(dict(values)) if values else ""


def wanted_row(
    entry: dict, names: dict[str, str], clusters: dict[str, str], zone_name: str
) -> dict:
    """Beat's entry as the fields of a Schedule.

    Args:
        entry: one of `celery_state`'s `beat.entries`.
        names: {Celery's task name: dotted path}; a name that is not in it is its own path.
        clusters: {Celery's queue: cluster}; "" is the default cluster.
        zone_name: the cluster's time zone.

    Raises:
        NotExpressible: Django-Q cannot say it.
    """
    from zoneinfo import ZoneInfo

    from ansible_collections.cutover.django_q.plugins.module_utils.app import firing_times

    if entry["problem"]:
        raise firing_times.NotExpressible(entry["problem"])
    row = {
        "name": entry["name"],
        "func": names.get(entry["task"], entry["task"]),
        "args": literal(entry["args"]),
        "kwargs": keywords(entry["kwargs"]),
        "cluster": clusters.get(entry["queue"] or "", "") or None,
        "cron": None,
        "minutes": None,
    }
    if entry["kind"] == "interval":
        return {**row, "schedule_type": "I", "minutes": entry["minutes"]}
    sets = {key: set(values) for key, values in entry["sets"].items()}
    moved = firing_times.in_zone(
        sets, ZoneInfo(entry["timezone"]), ZoneInfo(zone_name), datetime.now(timezone.utc)
    )
    return {**row, "schedule_type": "C", "cron": firing_times.cron_text(moved)}


def evaluated(row: dict) -> tuple:
    """A row's arguments as values, so that two ways to write them compare equal."""
    import ast

    args = ast.literal_eval(row["args"]) if row.get("args") else ()
    args = args if isinstance(args, tuple) else (args,)
    kwargs = ast.literal_eval(row["kwargs"]) if row.get("kwargs") else {}
    return args, kwargs


def next_firings(row: dict, after: datetime, count: int, zone_name: str) -> list[datetime]:
    """The next moments after `after` at which Django-Q fires a row, by its own rules.

    Args:
        row: the fields of a Schedule; a row of minutes counts from its `next_run`.
    """
    from zoneinfo import ZoneInfo

    from croniter import croniter

    if row["schedule_type"] == "C":
        local = croniter(row["cron"], after.astimezone(ZoneInfo(zone_name)))
        return [local.get_next(datetime).astimezone(timezone.utc) for _ in range(count)]
    if row["schedule_type"] == "I":
        step = timedelta(minutes=row["minutes"])
        first = row["next_run"]
        if first <= after:
            first += ((after - first) // step + 1) * step
        while first - step > after:
            first -= step
        return [(first + index * step).astimezone(timezone.utc) for index in range(count)]
    return []


def previous_firing(row: dict, zone_name: str) -> datetime:
    """The moment before `next_run` at which a row fired or would have.

    Args:
        row: the fields of a Schedule of the type cron or minutes.
    """
    from zoneinfo import ZoneInfo

    from croniter import croniter

    if row["schedule_type"] == "I":
        return row["next_run"] - timedelta(minutes=row["minutes"])
    local = croniter(row["cron"], row["next_run"].astimezone(ZoneInfo(zone_name)))
    return local.get_prev(datetime).astimezone(timezone.utc)
