"""Q_CLUSTER is there once, complete, and safe.

Missing: it is made from Celery's settings. There: missing keys are added and a `retry` that is
too small for `timeout` is raised. Defined twice: the later one wins in silence. A cluster that
a call or schedule names and ALT_CLUSTERS does not know, and a cache that no other process sees,
are findings.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level, TextEdit
from celery2q.index import ModuleIndex
from celery2q.qcluster import (
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

RULE = "q-cluster"
KIND = "settings"
#: Keys that a Q_CLUSTER that is there gets, if it lacks them.
COMPLETED = ("queue_limit", "ack_failures", "max_attempts", "catch_up", "time_zone", "cache")
HIDDEN_CACHES = ("locmem", "dummy")


def check(context: Context) -> Iterator[Finding]:
    """Look at Q_CLUSTER."""
    settings = context.settings.all("Q_CLUSTER")
    plain = [
        item
        for item in settings
        if not isinstance(item.statement, ast.AugAssign) and not _extends(item.value)
    ]
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
            yield from _check(context, item, keys)
    yield from _cache(context, plain[0])


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


def _number(keys: dict[str, ast.expr], name: str) -> float | None:
    value = constant(keys.get(name))
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _check(context: Context, item: Setting, keys: dict[str, ast.expr]) -> Iterator[Finding]:
    module = item.module
    converting = bool(context.registry.tasks)
    values = wanted(context)
    added = {key: values[key] for key in COMPLETED if converting and key not in keys}
    if converting and "ALT_CLUSTERS" in values and "ALT_CLUSTERS" not in keys:
        added["ALT_CLUSTERS"] = values["ALT_CLUSTERS"]
    timeout = _number(keys, "timeout")
    if timeout is None and "timeout" not in keys:
        if converting:
            added["timeout"] = values["timeout"]
        yield context.at(
            RULE,
            Level.WARNING,
            module,
            item.value,
            "Q_CLUSTER has no timeout: a task that hangs holds a worker for ever.",
            f"Set timeout, for instance {values['timeout']}.",
        )
        timeout = values["timeout"] if converting else None
    limit = values["timeout"] if context.settings.celery else None
    if timeout is not None and limit is not None and "timeout" in keys and timeout < limit:
        if setting_value(context, "CELERY_TASK_TIME_LIMIT", "CELERYD_TASK_TIME_LIMIT") is not None:
            yield context.at(
                RULE,
                Level.ERROR,
                module,
                keys["timeout"],
                f"Celery lets a task run {limit} s, Q_CLUSTER stops it after {timeout:g} s.",
                f"Set timeout to {limit}, and retry to fit it.",
                edits=[module.edit("Integer", keys["timeout"], lambda _: cst.Integer(str(limit)))],
            )
            timeout = limit
    workers = _number(keys, "workers")
    busy = celery_concurrency(context) if converting else 0
    if workers is not None and workers < busy:
        yield context.at(
            RULE,
            Level.WARNING,
            module,
            keys["workers"],
            f"Celery runs {busy} tasks at once, Q_CLUSTER {workers:g}.",
            f"Set workers to {busy}, the cluster does both now.",
            edits=[module.edit("Integer", keys["workers"], lambda _: cst.Integer(str(busy)))],
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
            edits=[module.edit("Dict", item.value, lambda old: _completed(old, added))],
        )
    yield from _retry(context, item, keys, timeout, workers, added)
    if _number(keys, "save_limit") == -1:
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
    retry = _number(keys, "retry")
    if timeout is None or workers is None or workers < 1 or ("retry" in keys and retry is None):
        return
    limits = [task.time_limit for task in context.registry.tasks.values() if task.time_limit]
    longest = max([timeout, *limits])
    limit = _number(keys, "queue_limit") or added.get("queue_limit") or workers**2
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


def _completed(old: cst.Dict, added: dict[str, object]) -> cst.Dict:
    elements = list(old.elements)
    first_space = old.lbrace.whitespace_after
    gap: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
    if isinstance(first_space, cst.ParenthesizedWhitespace):
        gap = cst.ParenthesizedWhitespace(
            indent=first_space.indent, last_line=first_space.last_line
        )
    last = elements[-1].comma if elements else cst.MaybeSentinel.DEFAULT
    rest = old.rbrace.whitespace_before  # a last comma's own space is never more than a blank
    before = rest if elements else gap
    mark = '"'
    if elements and isinstance(elements[0], cst.DictElement):
        key = elements[0].key
        mark = key.value[0] if isinstance(key, cst.SimpleString) else mark
    for name, value in added.items():
        text = literal(value)
        if elements:
            comma = cst.Comma(whitespace_after=_next_line(gap, before, REASONS.get(name, "")))
            elements[-1] = elements[-1].with_changes(comma=comma)
            before = gap
        elements.append(
            cst.DictElement(
                cst.SimpleString(f"{mark}{name}{mark}"),
                cst.parse_expression(text if mark == '"' else text.replace('"', "'")),
            )
        )
    elements[-1] = elements[-1].with_changes(comma=last)
    rbrace = old.rbrace.with_changes(whitespace_before=_bare(rest))
    return old.with_changes(elements=elements, rbrace=rbrace)


def _bare(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """A line's end without the comments that stand there."""
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return space
    line = cst.TrailingWhitespace(newline=space.first_line.newline)
    return space.with_changes(first_line=line, empty_lines=[])


def _next_line(
    gap: cst.BaseParenthesizableWhitespace,
    before: cst.BaseParenthesizableWhitespace,
    reason: str,
) -> cst.BaseParenthesizableWhitespace:
    """The space before a new key: the comments that stood there, then what the key is for.

    Args:
        gap: the space between two keys.
        before: the space that stood after the key before.
        reason: a comment's text; "" for none. Only where each key has a line of its own.
    """
    if not isinstance(gap, cst.ParenthesizedWhitespace):
        return gap
    lines = []
    if isinstance(before, cst.ParenthesizedWhitespace):
        gap = gap.with_changes(first_line=before.first_line)
        lines = list(before.empty_lines)
    if reason:
        comment = cst.Comment(f"# {reason}")
        lines.append(cst.EmptyLine(whitespace=gap.last_line, comment=comment))
    return gap.with_changes(empty_lines=lines)


def _cache(context: Context, cluster: Setting) -> Iterator[Finding]:
    keys = cluster_dict(cluster) or {}
    name = constant(keys.get("cache")) or "default"
    caches = [
        item
        for item in context.settings.all("CACHES")
        if item.module is cluster.module and isinstance(item.value, ast.Dict)
    ]
    for item in caches:
        table = cluster_dict(item) or {}
        entry = table.get(str(name))
        backend = ""
        if isinstance(entry, ast.Dict):
            backend = str(
                next(
                    (
                        constant(value)
                        for key, value in zip(entry.keys, entry.values, strict=True)
                        if constant(key) == "BACKEND"
                    ),
                    "",
                )
            )
        if any(word in backend for word in HIDDEN_CACHES):
            yield context.at(
                RULE,
                Level.WARNING,
                item.module,
                entry or item.value,
                f"The cache {name!r} ({backend}) is seen by one process only: a cluster's health "
                "cannot be read from outside it.",
                "Use a file, database, memcached or Redis cache for Q_CLUSTER['cache'].",
            )
    if not context.settings.all("CACHES"):
        yield context.at(
            RULE,
            Level.WARNING,
            cluster.module,
            cluster.statement,
            "There is no CACHES setting, so the cache is in memory and seen by one process only: "
            "a cluster's health cannot be read from outside it.",
            "Use a file, database, memcached or Redis cache for Q_CLUSTER['cache'].",
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
        "a cache in memory",
        _BASE
        | {
            "shop/settings.py": "CACHES = {'default': {'BACKEND': 'x.locmem.LocMemCache'}}\n"
            "Q_CLUSTER = {'workers': 1, 'queue_limit': 1, 'timeout': 60, 'retry': 200}\n"
        },
        ("shop/settings.py:1",),
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
