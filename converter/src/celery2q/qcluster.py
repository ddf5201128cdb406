"""The values of Q_CLUSTER: those that are there, and those that Celery's settings ask for."""

from __future__ import annotations

import ast
import math
from typing import Any

from celery2q.compose import concurrency
from celery2q.context import Context
from celery2q.index import ModuleIndex
from celery2q.settings import Setting
from celery2q.tasks import constant
from celery2q.values import Unknown, value_of

DEFAULT_TIMEOUT = 600
DEFAULT_WORKERS = 4
#: Names of the setting that ends a task.
LIMITS = ("CELERY_TASK_TIME_LIMIT", "CELERYD_TASK_TIME_LIMIT")

#: Names of the setting that runs tasks at once.
EAGER = ("CELERY_TASK_ALWAYS_EAGER", "CELERY_ALWAYS_EAGER")


class Raw(str):
    """A value that is Python source already."""


def retry_needed(workers: int, queue_limit: int, timeout: float) -> int:
    """Seconds for which a row must stay locked, so that it runs once.

    A row waits in memory behind `queue_limit` others before it runs; below this value it comes
    back while it still waits or runs.
    """
    return math.ceil((math.ceil((queue_limit + 1) / workers) + 1) * timeout + 3)


def setting_value(context: Context, *names: str) -> Any:
    """The value of the first of these settings that can be told; None where there is none."""
    for name in names:
        for item in context.settings.all(name):
            try:
                value = value_of(context, item.module, item.value)
            except Unknown:
                continue
            if value is not None:
                return value
    return None


def cluster_dict(setting: Setting) -> dict[str, ast.expr] | None:
    """The keys of a Q_CLUSTER that is written as a dict (or dict(…)); None otherwise."""
    value = setting.value
    if isinstance(value, ast.Dict):
        return {
            name: item
            for key, item in zip(value.keys, value.values, strict=True)
            if isinstance(name := constant(key), str)
        }
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "dict":
        return {keyword.arg: keyword.value for keyword in value.keywords if keyword.arg}
    return None


def celery_concurrency(context: Context) -> int:
    """Tasks that Celery runs at once: a worker's `-c`, else the setting; 0 where none says so."""
    value = concurrency(context)
    if not value:
        value = setting_value(context, "CELERY_WORKER_CONCURRENCY", "CELERYD_CONCURRENCY")
    return value if isinstance(value, int) and value > 0 else 0


def celery_zone(context: Context) -> str:
    """The time zone of beat: CELERY_TIMEZONE, else UTC, else TIME_ZONE without UTC."""
    value = setting_value(context, "CELERY_TIMEZONE", "CELERYBEAT_TIMEZONE")
    if isinstance(value, str):
        return value
    if any(item.name == "CELERY_TIMEZONE" for item in context.settings.celery):
        return _time_zone(context)
    if setting_value(context, "CELERY_ENABLE_UTC") is False:
        return _time_zone(context)
    return "UTC"


def _time_zone(context: Context) -> str:
    value = setting_value(context, "TIME_ZONE")
    return value if isinstance(value, str) else "UTC"


def q_zone(context: Context) -> str:
    """The time zone of the cluster: what Q_CLUSTER says, else what the conversion would say."""
    for setting in context.settings.all("Q_CLUSTER"):
        keys = cluster_dict(setting) or {}
        value = constant(keys.get("time_zone"))
        if isinstance(value, str):
            return value
    return celery_zone(context)


def queues(context: Context) -> set[str]:
    """Every queue that the tree names."""
    found = {queue for _, queue in context.settings.routes}
    for task in context.registry.tasks.values():
        if task.queue:
            found.add(task.queue)
    for module in context.modules:
        for call in module.calls:
            func = call.func
            if isinstance(func, ast.Attribute) and func.attr in (
                "apply_async",
                "apply_async_on_commit",
            ):
                for keyword in call.keywords:
                    if keyword.arg == "queue" and isinstance(name := constant(keyword.value), str):
                        found.add(name)
    return found


def wanted(context: Context, module: ModuleIndex | None = None) -> dict[str, Any]:
    """The values that Q_CLUSTER should have after the conversion, in order.

    Args:
        context: the tree.
        module: the settings module; None for the main one.

    Returns:
        Plain values; the key "ALT_CLUSTERS" only where a queue has a cluster of its own.
    """
    main = module or context.settings.main
    limits = [task.time_limit for task in context.registry.tasks.values() if task.time_limit]
    limit = setting_value(context, *LIMITS)
    timeout = int(limit) if isinstance(limit, int | float) else DEFAULT_TIMEOUT
    longest = math.ceil(max([timeout, *limits]))
    workers = celery_concurrency(context) or DEFAULT_WORKERS
    values: dict[str, Any] = {
        "name": main.name.split(".")[0] if main else "default",
        "orm": "default",
        "workers": workers,
        "queue_limit": 1,
        "timeout": timeout,
        "retry": retry_needed(workers, 1, longest),
        "ack_failures": True,
        "max_attempts": 1,
        "catch_up": False,
        "time_zone": celery_zone(context),
        "cache": "default",
    }
    for item in context.settings.celery:
        plain = item.module.parents[item.statement] is item.module.tree
        if item.name in EAGER and main is not None and item.module is main and plain:
            values["sync"] = Raw(item.module.text(item.value))
    names = {context.cluster(queue) for queue in queues(context)} - {""}
    if names:
        values["ALT_CLUSTERS"] = {name: {} for name in sorted(names)}
    return values


#: What each key is for, written above it.
REASONS = {
    "name": "Salt of the queue's signatures: the same in every container, for ever.",
    "orm": "The queue is a table of the application's own database.",
    "queue_limit": "What a cluster takes in advance; more would wait in memory and run twice.",
    "timeout": "Seconds after which a task is stopped; it counts as failed then.",
    "retry": "At least (ceil((queue_limit + 1) / workers) + 1) * timeout + 3, or tasks run twice.",
    "ack_failures": "A task that failed is done, as with Celery; else it is tried for ever.",
    "max_attempts": "The same for rows that were sent before ack_failures was set.",
    "catch_up": "Runs that were missed collapse into one.",
    "time_zone": "What cron expressions mean; Celery's time zone.",
    "cache": "Where a cluster shows its health: a cache that all processes share.",
    "sync": "Tasks run at once, in the process that sends them.",
    "ALT_CLUSTERS": "Each needs a process: Q_CLUSTER_NAME=<name> manage.py qcluster.",
}


def source(values: dict[str, Any]) -> str:
    """Q_CLUSTER as Python, each key with its reason."""
    lines = ["Q_CLUSTER = {"]
    for key, value in values.items():
        if key in REASONS:
            lines.append(f"    # {REASONS[key]}")
        lines.append(f'    "{key}": {literal(value)},')
    return "\n".join([*lines, "}", ""])


def literal(value: Any) -> str:
    """A value as Python source with double quotes."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        inner = ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items())
        return f"{{{inner}}}"
    return repr(value)
