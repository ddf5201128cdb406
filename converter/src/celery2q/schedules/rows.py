"""PeriodicTask rows out of a JSON export of the database (dumpdata)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from celery2q.schedules.crontab import from_crontab, from_seconds
from celery2q.schedules.model import Entry, Inexpressible, Timing

PREFIX = "django_celery_beat."
SECONDS = {"days": 86_400, "hours": 3_600, "minutes": 60, "seconds": 1, "microseconds": 1e-6}


def is_export(data: Any) -> bool:
    """Whether a JSON document is a dump of django-celery-beat's tables."""
    return isinstance(data, list) and any(
        isinstance(row, dict) and str(row.get("model", "")).startswith(PREFIX) for row in data
    )


def entries(text: str, path: str, names: Mapping[str, str]) -> list[Entry]:
    """The entries of a dump.

    Args:
        text: the JSON document.
        path: where it stands.
        names: {Celery name: dotted path}.

    Raises:
        ValueError: the text is no JSON or no dump.
    """
    data = json.loads(text)
    if not is_export(data):
        raise ValueError("no dump of django_celery_beat's tables")
    tables: dict[str, dict[Any, dict[str, Any]]] = {}
    for row in data:
        model = str(row.get("model", "")).lower() if isinstance(row, dict) else ""
        if model.startswith(PREFIX) and isinstance(row.get("fields"), dict):
            tables.setdefault(model[len(PREFIX) :], {})[row.get("pk")] = row["fields"]
    return [
        _entry(fields, tables, path, names) for fields in tables.get("periodictask", {}).values()
    ]


def _entry(
    fields: dict[str, Any],
    tables: dict[str, dict[Any, dict[str, Any]]],
    path: str,
    names: Mapping[str, str],
) -> Entry:
    task = str(fields.get("task", ""))
    problems = []
    timing: Timing | None = None
    zone = ""
    try:
        timing, zone = _timing(fields, tables)
    except Inexpressible as error:
        problems.append(str(error))
    if task not in names:
        problems.append(f"no task of this tree is named {task}.")
    args = _literal(fields.get("args"), "args", problems)
    kwargs = _literal(fields.get("kwargs"), "kwargs", problems)
    lost = [name for name in ("expires", "expire_seconds", "priority") if fields.get(name)]
    if fields.get("one_off"):
        problems.append("it runs once only; send it with enqueue(eta=…) instead.")
    return Entry(
        str(fields.get("name", task)),
        task,
        names.get(task, ""),
        timing,
        " ".join(problems),
        args,
        kwargs,
        fields.get("queue") or None,
        tuple(lost),
        bool(fields.get("enabled", True)),
        zone,
        path,
    )


def _timing(
    fields: dict[str, Any], tables: dict[str, dict[Any, dict[str, Any]]]
) -> tuple[Timing, str]:
    if fields.get("crontab") is not None:
        row = tables.get("crontabschedule", {}).get(fields["crontab"])
        if row is None:
            raise Inexpressible("its crontab row is not in the export.")
        names = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
        values = {name: row[name] for name in names if name in row}
        return from_crontab(values), str(row.get("timezone") or "")
    if fields.get("interval") is not None:
        row = tables.get("intervalschedule", {}).get(fields["interval"])
        if row is None:
            raise Inexpressible("its interval row is not in the export.")
        every, unit = row.get("every"), SECONDS.get(str(row.get("period")))
        if not isinstance(every, int) or unit is None:
            raise Inexpressible(f"its interval, every {every} {row.get('period')}, is none.")
        return from_seconds(every * unit), ""
    kind = next((name for name in ("solar", "clocked") if fields.get(name) is not None), "no")
    raise Inexpressible(f"it has a {kind} schedule, which Django-Q2 cannot say.")


def _literal(text: Any, what: str, problems: list[str]) -> str:
    if not text:
        return ""
    try:
        value = json.loads(text) if isinstance(text, str) else text
    except ValueError:
        problems.append(f"its {what} are no JSON.")
        return ""
    if not value:
        return ""
    return repr(tuple(value) if what == "args" else value)
