"""Q_CLUSTER is there once, complete, and safe.

Missing: it is made from Celery's settings. There: missing keys are added and a `retry` that is
too small for `timeout` is raised, in an alternative cluster it is a finding. Defined twice: the
later one wins in silence. No timeout, and `sync` outside of tests are findings.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import libcst as cst

from celery2q.cluster_edit import completed
from celery2q.context import Context, Example
from celery2q.findings import Finding, Level, TextEdit
from celery2q.index import ModuleIndex
from celery2q.qcluster import (
    LIMITS,
    REASONS,
    celery_concurrency,
    cluster_dict,
    literal,
    retry_needed,
    setting_value,
    source,
    wanted,
)
from celery2q.settings import Setting
from celery2q.tasks import constant
from celery2q.values import number_of

RULE = "q-cluster"
KIND = "settings"
#: Keys that a Q_CLUSTER that is there gets, if it lacks them.
COMPLETED = ("queue_limit", "ack_failures", "max_attempts", "catch_up", "time_zone", "cache")
#: Settings modules that no service runs with.
NO_SERVICE = re.compile(r"test|\bci\b|dev|local|debug", re.IGNORECASE)


def check(context: Context) -> Iterator[Finding]:
    """Look at Q_CLUSTER."""
    plain = definitions(context)
    if not plain:
        yield from _missing(context)
        return
    by_module: dict[str, list[Setting]] = {}
    for item in plain:
        by_module.setdefault(item.module.path, []).append(item)
    for items in by_module.values():
        for item in items[1:]:
            if item.module.parents[item.statement] is item.module.tree:
                yield context.at(
                    RULE,
                    Level.ERROR,
                    item.module,
                    item.statement,
                    f"Q_CLUSTER is defined again here (first in line {items[0].statement.lineno}); "
                    "the later one wins.",
                    "Keep one.",
                )
    for item in plain:
        keys = cluster_dict(item)
        if keys is not None:
            changes = [one for one in context.settings.changes if one.module is item.module]
            later = {one.name: one.value for one in changes if _after(one, item)}
            yield from _check(context, item, {**keys, **later})


def definitions(context: Context) -> list[Setting]:
    """Where Q_CLUSTER is set, but for changes of what it was."""
    return [
        item
        for item in context.settings.all("Q_CLUSTER")
        if not isinstance(item.statement, ast.AugAssign) and not _extends(item.value)
    ]


def _after(one: Setting, other: Setting) -> bool:
    return one.statement.lineno > other.statement.lineno


def _extends(value: ast.expr) -> bool:
    """Whether a value is the former one with changes: `{**Q_CLUSTER, …}`."""
    return any(isinstance(node, ast.Name) and node.id == "Q_CLUSTER" for node in ast.walk(value))


def _missing(context: Context) -> Iterator[Finding]:
    main = context.settings.main
    uses = context.registry.tasks or context.settings.celery
    if main is None or not uses or not context.settings.all("INSTALLED_APPS"):
        return
    for module in context.settings.whole:
        yield _add(module, source(wanted(context, module)))


def _add(module: ModuleIndex, text: str) -> Finding:
    """The finding that adds Q_CLUSTER to a settings module."""

    def replace(old: str) -> str:
        if "Q_CLUSTER" in old:
            return old
        end = "\r\n" if "\r\n" in old else "\n"
        return old.rstrip("\r\n") + end * 2 + text.replace("\n", end)

    return Finding(
        RULE,
        Level.ERROR,
        module.path,
        1,
        1,
        "There is no Q_CLUSTER in the settings.",
        "Add one; its retry has to fit its timeout.",
        (TextEdit(module.path, replace),),
    )


def _check(context: Context, item: Setting, keys: dict[str, ast.expr]) -> Iterator[Finding]:
    module = item.module
    converting = bool(context.registry.tasks)
    values = wanted(context)
    added = {key: values[key] for key in COMPLETED if converting and key not in keys}
    if converting and "ALT_CLUSTERS" in values and "ALT_CLUSTERS" not in keys:
        added["ALT_CLUSTERS"] = values["ALT_CLUSTERS"]

    def number(name: str) -> float | None:
        return number_of(context, module, keys.get(name))

    timeout = number("timeout")
    none = isinstance(keys.get("timeout"), ast.Constant) and timeout is None
    if timeout is None and ("timeout" not in keys or none):
        if converting and not none:
            added["timeout"] = values["timeout"]
        yield context.at(
            RULE,
            Level.WARNING,
            module,
            keys.get("timeout", item.value),
            "Q_CLUSTER has no timeout: a task that hangs holds a worker for ever.",
            f"Set timeout, for instance {values['timeout']}.",
        )
        timeout = values["timeout"] if converting else None
    limit = values["timeout"] if context.settings.celery else None
    if timeout is not None and limit is not None and "timeout" in keys and timeout < limit:
        if setting_value(context, *LIMITS) is not None:
            yield context.at(
                RULE,
                Level.ERROR,
                module,
                keys["timeout"],
                f"Celery lets a task run {limit} s, Q_CLUSTER stops it after {timeout:g} s.",
                f"Set timeout to {limit}, and retry to fit it.",
                edits=[module.edit("Integer", keys["timeout"], lambda _: cst.Integer(str(limit)))]
                if isinstance(keys["timeout"], ast.Constant)
                else [],
            )
            timeout = limit
    workers = number("workers")
    busy = celery_concurrency(context) if converting else 0
    if workers is not None and workers < busy:
        yield context.at(
            RULE,
            Level.WARNING,
            module,
            keys["workers"],
            f"Celery runs {busy} tasks at once, Q_CLUSTER {workers:g}.",
            f"Set workers to {busy}, the cluster does both now.",
            edits=[module.edit("Integer", keys["workers"], lambda _: cst.Integer(str(busy)))]
            if isinstance(keys["workers"], ast.Constant)
            else [],
        )
        workers = busy
    if isinstance(item.value, ast.Dict) and added:
        yield context.at(
            RULE,
            Level.WARNING,
            module,
            item.value,
            f"Q_CLUSTER does not say {', '.join(added)}; the defaults are not Celery's.",
            "Add " + ", ".join(f"{key}={literal(value)}" for key, value in added.items()) + ".",
            edits=[module.edit("Dict", item.value, lambda old: completed(old, added))],
        )
    yield from _retry(context, item, keys, timeout, workers, added)
    yield from _alternatives(context, item, keys)
    if constant(keys.get("sync")) is True and not NO_SERVICE.search(module.name):
        yield context.at(
            RULE,
            Level.WARNING,
            module,
            keys["sync"],
            "Q_CLUSTER has sync: each task runs in the process that sends it, and none is queued.",
            "Take it away, or set it in settings for tests.",
        )
    if number("save_limit") == -1:
        yield context.at(
            RULE,
            Level.WARNING,
            module,
            keys["save_limit"],
            "save_limit=-1 saves no results: chains end after their first step.",
            "Set save_limit to 0 (all) or to a number.",
        )


def _retry(
    context: Context,
    item: Setting,
    keys: dict[str, ast.expr],
    timeout: float | None,
    workers: float | None,
    added: dict[str, object],
) -> Iterator[Finding]:
    def number(name: str) -> float | None:
        return number_of(context, item.module, keys.get(name))

    retry = number("retry")
    if timeout is None or workers is None or workers < 1 or ("retry" in keys and retry is None):
        return
    limits = [task.time_limit for task in context.registry.tasks.values() if task.time_limit]
    longest = max([timeout, *limits])
    limit = number("queue_limit") or added.get("queue_limit") or workers**2
    needed = retry_needed(int(workers), int(limit), longest)  # type: ignore[call-overload]
    if retry is None:
        retry = 60
    if retry < needed:
        node = keys.get("retry", item.value)
        kind = {ast.Constant: "Integer"}.get(type(node))
        whole = isinstance(constant(node), int)
        yield context.at(
            RULE,
            Level.ERROR,
            item.module,
            node,
            f"retry={retry:g} is too small for timeout={longest:g}, workers={workers:g} and "
            f"queue_limit={limit}: a task that waits or runs longer is run a second time.",
            f"Set retry to {needed} or more.",
            edits=[item.module.edit(kind, node, lambda _: cst.Integer(str(needed)))]
            if kind and whole
            else [],
        )


def _alternatives(context: Context, item: Setting, keys: dict[str, ast.expr]) -> Iterator[Finding]:
    """The clusters of ALT_CLUSTERS, each with its own values over those of Q_CLUSTER."""
    table = keys.get("ALT_CLUSTERS")
    if not isinstance(table, ast.Dict):
        return
    for key, value in zip(table.keys, table.values, strict=True):
        if not isinstance(value, ast.Dict):
            continue
        own = {
            name: part
            for mark, part in zip(value.keys, value.values, strict=True)
            if isinstance(name := constant(mark), str)
        }
        if not own.keys() & {"timeout", "retry", "workers", "queue_limit"}:
            continue
        found = {
            name: number_of(context, item.module, {**keys, **own}.get(name))
            for name in ("timeout", "retry", "workers", "queue_limit")
        }
        timeout, workers, retry = found["timeout"], found["workers"], found["retry"]
        if not timeout or not workers or workers < 1:
            continue
        if retry is None and "retry" in {**keys, **own}:
            continue
        limit = found["queue_limit"] or workers**2
        needed = retry_needed(int(workers), int(limit), timeout)
        if (retry or 60) < needed:
            yield context.at(
                RULE,
                Level.ERROR,
                item.module,
                own.get("retry", value),
                f"The cluster {constant(key)!r} has retry={retry or 60:g}, which is too small for "
                f"timeout={timeout:g}, workers={workers:g} and queue_limit={limit:g}: a task that "
                "waits or runs longer is run a second time.",
                f"Give it a retry of {needed} or more.",
            )


_BASE = {"shop/__init__.py": ""}
_CACHES = "CACHES = {'default': {'BACKEND': 'django_redis.cache.RedisCache'}}\n"
_TASK = "from celery import shared_task\n\n\n@shared_task\ndef send():\n    pass\n"

EXAMPLES = (
    Example(
        "a retry that is too small, and a second definition",
        _BASE
        | {
            "shop/settings.py": _CACHES + "Q_CLUSTER = {'workers': 2, 'queue_limit': 1, "
            "'timeout': 600, 'retry': 700}\nQ_CLUSTER = {}\n"
        },
        ("shop/settings.py:2", "shop/settings.py:3", "shop/settings.py:3"),
        {
            "shop/settings.py": _CACHES + "Q_CLUSTER = {'workers': 2, 'queue_limit': 1, "
            "'timeout': 600, 'retry': 1203}\nQ_CLUSTER = {}\n"
        },
    ),
    Example(
        "a retry that is changed later, and one of another cluster",
        _BASE
        | {
            "shop/settings.py": _CACHES + "HOUR = 60 * 60\nQ_CLUSTER = {'workers': 2, "
            "'queue_limit': 1, 'timeout': HOUR, 'retry': 3 * HOUR,\n"
            "    'ALT_CLUSTERS': {'slow': {'timeout': 2 * HOUR}, 'fast': {'timeout': 60},\n"
            "        'same': {}}}\nQ_CLUSTER['retry'] = HOUR\n"
        },
        ("shop/settings.py:4", "shop/settings.py:6"),
    ),
    Example(
        "no timeout, and tasks that run at once",
        _BASE
        | {
            "shop/settings.py": _CACHES + "Q_CLUSTER = {'workers': 2, 'timeout': None,\n"
            "    'sync': True}\n",
            "shop/settings_test.py": "Q_CLUSTER = {'workers': 2, 'timeout': 60, 'queue_limit': 1,"
            "\n    'retry': 200, 'sync': True}\n",
        },
        ("shop/settings.py:2", "shop/settings.py:3"),
    ),
    Example(
        "one that is missing where Celery is used",
        _BASE
        | {
            "shop/settings.py": "INSTALLED_APPS = []\nCELERY_TIMEZONE = 'Europe/Paris'\n"
            "CELERY_TASK_TIME_LIMIT = 100\n"
        },
        ("shop/settings.py:1",),
        {
            "shop/settings.py": "INSTALLED_APPS = []\nCELERY_TIMEZONE = 'Europe/Paris'\n"
            "CELERY_TASK_TIME_LIMIT = 100\n\n"
            + source(
                {
                    "name": "shop",
                    "orm": "default",
                    "workers": 4,
                    "queue_limit": 1,
                    "timeout": 100,
                    "retry": 203,
                    "ack_failures": True,
                    "max_attempts": 1,
                    "catch_up": False,
                    "time_zone": "Europe/Paris",
                    "cache": "default",
                }
            )
        },
    ),
    Example(
        "one that is there lacks keys and workers; each key that comes has its reason",
        _BASE
        | {
            "shop/tasks.py": _TASK,
            "compose.yaml": "services:\n  worker:\n    command: celery -A shop worker -c 3\n",
            "shop/settings.py": _CACHES + "INSTALLED_APPS = []\nQ_CLUSTER = {\n"
            "    'orm': 'default',\n    'workers': 1,\n    'timeout': 60,\n    'retry': 200,\n"
            "    'queue_limit': 1,\n    'max_attempts': 1,\n    'catch_up': False,  # none\n}\n",
        },
        ("shop/settings.py:3", "shop/settings.py:5"),
        {
            "shop/settings.py": _CACHES + "INSTALLED_APPS = []\nQ_CLUSTER = {\n"
            "    'orm': 'default',\n    'workers': 3,\n    'timeout': 60,\n    'retry': 200,\n"
            "    'queue_limit': 1,\n    'max_attempts': 1,\n    'catch_up': False,  # none\n"
            f"    # {REASONS['ack_failures']}\n    'ack_failures': True,\n"
            f"    # {REASONS['time_zone']}\n    'time_zone': 'UTC',\n"
            f"    # {REASONS['cache']}\n    'cache': 'default',\n}}\n"
        },
    ),
    Example(
        "one in one line",
        _BASE
        | {
            "shop/tasks.py": _TASK,
            "shop/settings.py": _CACHES + "INSTALLED_APPS = []\nQ_CLUSTER = {'workers': 4, "
            "'timeout': 60, 'retry': 200, 'queue_limit': 1, 'max_attempts': 1, 'catch_up': 0, "
            "'cache': 'default', 'time_zone': 'UTC'}\n",
        },
        ("shop/settings.py:3",),
        {
            "shop/settings.py": _CACHES + "INSTALLED_APPS = []\nQ_CLUSTER = {'workers': 4, "
            "'timeout': 60, 'retry': 200, 'queue_limit': 1, 'max_attempts': 1, 'catch_up': 0, "
            "'cache': 'default', 'time_zone': 'UTC', 'ack_failures': True}\n",
        },
    ),
    Example(
        "a timeout that is shorter than Celery's",
        _BASE
        | {
            "shop/settings.py": _CACHES + "INSTALLED_APPS = []\nCELERY_TASK_TIME_LIMIT = 3600\n"
            "Q_CLUSTER = {'workers': 4, 'queue_limit': 1, 'timeout': 600, 'retry': 2000}\n"
        },
        ("shop/settings.py:4", "shop/settings.py:4"),
        {
            "shop/settings.py": _CACHES + "INSTALLED_APPS = []\nCELERY_TASK_TIME_LIMIT = 3600\n"
            "Q_CLUSTER = {'workers': 4, 'queue_limit': 1, 'timeout': 3600, 'retry': 7203}\n"
        },
    ),
    Example(
        "one that is fine",
        _BASE
        | {
            "shop/settings.py": _CACHES + "Q_CLUSTER = {'workers': 2, 'queue_limit': 1, "
            "'timeout': 60, 'retry': 123}\n"
        },
    ),
)
