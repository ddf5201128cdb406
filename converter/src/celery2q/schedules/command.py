"""`celery2q schedules`: both engines' schedules beside each other."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery2q.config import load
from celery2q.context import Context
from celery2q.schedules.find import places
from celery2q.schedules.firing import celery_times, q_times
from celery2q.schedules.model import Entry
from celery2q.schedules.rows import entries as row_entries
from celery2q.schedules.rows import is_export
from celery2q.setup_schedules import cluster_of, rows_source
from celery2q.sources import Tree


def all_entries(context: Context) -> list[Entry]:
    """Every entry of a tree: its code's, then those of an export in it."""
    found = [entry for place in places(context) for entry in place.entries]
    for source in context.texts():
        if source.path.endswith(".json") and "django_celery_beat" in source.text:
            try:
                data = json.loads(source.text)
            except ValueError:
                continue
            if is_export(data):
                found += row_entries(source.text, source.path, context.registry.names)
    return found


def zones(context: Context) -> tuple[str, str]:
    """Celery's time zone and the one Django-Q2 would have."""
    from celery2q.qcluster import celery_zone, q_zone

    return celery_zone(context), q_zone(context)


def describe(context: Context, entry: Entry, start: datetime) -> dict[str, Any]:
    """One entry as a Django-Q2 schedule, with both engines' next firing times."""
    celery_zone, q_zone = zones(context)
    row: dict[str, Any] = {
        "name": entry.name,
        "task": entry.task,
        "func": entry.func,
        "enabled": entry.enabled,
        "where": f"{entry.path}:{entry.line}",
    }
    if entry.problem:
        row["problem"] = entry.problem
    if entry.timing is None:
        return row
    timing = entry.timing
    row |= {
        "schedule_type": "C" if timing.kind == "cron" else "I",
        "cron": timing.cron or None,
        "minutes": timing.minutes or None,
        "args": entry.args,
        "kwargs": entry.kwargs,
        "cluster": cluster_of(context, entry) or None,
        "repeats": -1 if entry.enabled else 0,
    }
    if timing.dynamic:
        row["same"] = None
        row["why"] = "a part of the time is known only at run time"
        return row
    before = celery_times(timing, start, entry.time_zone or celery_zone)
    after = q_times(timing, start, q_zone)
    row["celery_next"] = [moment.isoformat() for moment in before]
    row["django_q_next"] = [moment.isoformat() for moment in after]
    row["same"] = before == after
    if not row["same"]:
        zone = entry.time_zone or celery_zone
        row["why"] = (
            f"beat counts in {zone}, the cluster in {q_zone}"
            if zone != q_zone
            else "the clock is put forward or back in between"
        )
    return row


def run(path: Path, kind: str, read: Callable[[Path], Tree]) -> int:
    """Print the schedules of a tree, or of a JSON export alone.

    Returns:
        0 when every entry can be said and fires at the same times, else 1.
    """
    tree = read(path)
    context = Context(tree, load(tree))
    found = all_entries(context)
    start = datetime.now(UTC).replace(microsecond=0)
    rows = [describe(context, entry, start) for entry in found]
    if kind == "python":
        sys.stdout.write(rows_source(context, found))
    else:
        celery_zone, q_zone = zones(context)
        document = {
            "now": start.isoformat(),
            "celery_timezone": celery_zone,
            "q_time_zone": q_zone,
            "schedules": rows,
        }
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    fine = all(row.get("same") is not False and "problem" not in row for row in rows)
    return 0 if fine else 1
