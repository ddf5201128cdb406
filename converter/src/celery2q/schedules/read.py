"""Reading beat's entries out of Python code and out of an export of the database."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from celery2q.context import Context
from celery2q.index import ModuleIndex
from celery2q.schedules.crontab import from_crontab, from_seconds
from celery2q.schedules.model import Entry, Inexpressible, Timing
from celery2q.tasks import TaskDef, constant
from celery2q.values import Unknown, value_of

ENVIRONMENT = ("os.environ.get", "os.getenv", "environ.get", "getenv")
CRONTABS = ("celery.schedules.crontab", "celery.task.schedules.crontab")
FROM_STRING = tuple(f"{name}.from_string" for name in CRONTABS)
DELTAS = ("datetime.timedelta",)
INTERVALS = ("celery.schedules.schedule",)
SOLAR = ("celery.schedules.solar",)
LOST = {
    "expires": "a late run is not dropped", "priority": "the queue has no priorities",
    "soft_time_limit": "only the hard timeout exists",
}  # fmt: skip


def _environment(context: Context, module: ModuleIndex, node: ast.AST) -> tuple[str, Any] | None:
    """Source and default of an environment look-up (inside int() or str() too)."""
    inner = node
    cast = None
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        if node.func.id in ("int", "str"):
            inner, cast = node.args[0], node.func.id
    if not isinstance(inner, ast.Call) or len(inner.args) != 2:
        return None
    if (context.project.resolve(module, inner.func) or "") not in ENVIRONMENT:
        return None
    name, default = constant(inner.args[0]), constant(inner.args[1])
    if not isinstance(name, str) or not isinstance(default, str | int):
        return None
    source = f"os.environ.get({name!r}, {default!r})"
    return source, int(default) if cast == "int" and str(default).isdigit() else default


def timing_of(context: Context, module: ModuleIndex, node: ast.expr) -> Timing:
    """Read a `schedule` value.

    Raises:
        Inexpressible: Django-Q2 cannot say it, or it cannot be read.
    """
    func = context.project.resolve(module, node.func) if isinstance(node, ast.Call) else None
    if isinstance(node, ast.Call) and func in CRONTABS:
        return _crontab(context, module, node)
    if isinstance(node, ast.Call) and func in FROM_STRING and len(node.args) == 1:
        return _from_string(context, module, node.args[0])
    if func in SOLAR:
        raise Inexpressible("a solar schedule: compute the time in a daily task that sends itself.")
    if isinstance(node, ast.Call) and func in INTERVALS:
        first = node.args[0] if node.args else None
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        inner = named.get("run_every", first)
        if inner is not None:
            return timing_of(context, module, inner)
    if isinstance(node, ast.Call) and func in DELTAS:
        return from_seconds(_delta(context, module, node))
    if isinstance(node, ast.Name | ast.Attribute):
        dotted = context.project.resolve(module, node)
        found = context.project.definition(dotted) if dotted else None
        if found and found[1].kind == "assign" and isinstance(found[1].node, ast.Call):
            return timing_of(context, found[0], found[1].node)
    try:
        seconds = value_of(context, module, node)
    except Unknown:
        raise Inexpressible(f"its time {module.text(node)} is known only at run time.") from None
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        return from_seconds(seconds)
    raise Inexpressible(f"its time {module.text(node)} is neither crontab, timedelta nor number.")


def _delta(context: Context, module: ModuleIndex, node: ast.Call) -> float:
    from datetime import timedelta

    try:
        args = [value_of(context, module, arg) for arg in node.args]
        named = {
            keyword.arg or "": value_of(context, module, keyword.value) for keyword in node.keywords
        }
        return timedelta(*args, **named).total_seconds()
    except (Unknown, TypeError) as error:
        raise Inexpressible(f"its interval {module.text(node)} cannot be read.") from error


def _crontab(context: Context, module: ModuleIndex, node: ast.Call) -> Timing:
    order = ("minute", "hour", "day_of_week", "day_of_month", "month_of_year")
    given: dict[str, ast.expr] = dict(zip(order, node.args, strict=False))
    for keyword in node.keywords:
        if keyword.arg is None:
            raise Inexpressible("its crontab hides fields behind a **.")
        given[keyword.arg] = keyword.value
    values: dict[str, Any] = {}
    expressions: dict[str, str] = {}
    for name, value in given.items():
        try:
            values[name] = value_of(context, module, value)
        except Unknown:
            found = _environment(context, module, value)
            if found is None:
                raise Inexpressible(
                    f"its {name} {module.text(value)} is known only at run time."
                ) from None
            expressions[name], values[name] = found
    return from_crontab(values, expressions)


def _from_string(context: Context, module: ModuleIndex, node: ast.expr) -> Timing:
    """`crontab.from_string("0 4 * * mon")`: the fields in the order of cron."""
    try:
        text = value_of(context, module, node)
    except Unknown:
        text = None
    fields = text.split() if isinstance(text, str) else []
    names = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
    if len(fields) != len(names):
        raise Inexpressible(f"its crontab {module.text(node)} cannot be read.")
    return from_crontab(dict(zip(names, fields, strict=True)), {})


def entry_of(
    context: Context,
    module: ModuleIndex,
    name: str,
    node: ast.AST,
    schedule: ast.expr | None,
    task: ast.expr | str | None,
    parts: dict[str, ast.expr],
) -> Entry:
    """Put an entry together.

    Args:
        context: the tree.
        module: where it stands.
        name: its name.
        node: the node to report.
        schedule: the time.
        task: the task's name or an expression that gives it.
        parts: the further values (args, kwargs, options, queue, …).
    """
    celery_name = task if isinstance(task, str) else _task_name(context, module, task)
    func = context.registry.names.get(celery_name, "")
    if not func and celery_name and _is_function(context, celery_name):
        func = celery_name
    entry = Entry(
        name,
        celery_name,
        func,
        None,
        path=module.path,
        line=node.lineno,
        column=module.column(node) + 1,  # type: ignore[attr-defined]
    )
    problems = []
    timing = None
    try:
        if schedule is None:
            raise Inexpressible("it has no time.")
        timing = timing_of(context, module, schedule)
    except Inexpressible as error:
        problems.append(str(error))
    if not func:
        problems.append(f"no task of this tree is named {celery_name or '(unknown)'}.")
    texts = {"args": "", "kwargs": ""}
    for part in texts:
        value = parts.get(part)
        if value is not None:
            try:
                literal = value_of(context, module, value)
            except Unknown:
                problems.append(f"its {part} {module.text(value)} are no literals.")
            else:
                if literal:
                    texts[part] = repr(tuple(literal) if part == "args" else literal)
    options = dict(parts)
    inner = parts.get("options")
    if isinstance(inner, ast.Dict):
        for key, value in zip(inner.keys, inner.values, strict=True):
            if isinstance(found := constant(key), str):
                options[found] = value
    queue = constant(options.get("queue"))
    lost = tuple(sorted(name for name in LOST if name in options))
    return replace(
        entry,
        timing=timing,
        problem=" ".join(problems),
        args=texts["args"],
        kwargs=texts["kwargs"],
        queue=queue if isinstance(queue, str) else None,
        lost=lost,
    )


def _is_function(context: Context, dotted: str) -> bool:
    """Whether a dotted path names a function (or task object) at a module's top."""
    found = context.project.definition(context.project.canonical(dotted))
    return found is not None and found[1].kind in ("def", "class", "assign")


def _task_name(context: Context, module: ModuleIndex, node: ast.AST | None) -> str:
    if node is None:
        return ""
    value = constant(node)
    if isinstance(value, str):
        return value
    if isinstance(node, ast.Attribute) and node.attr == "name":
        node = node.value
    task = context.registry.task_at(module, node)
    if task is not None:
        return task.celery_name
    try:
        found = value_of(context, module, node)
    except Unknown:
        return ""
    return found if isinstance(found, str) else ""


def entries_of_dict(context: Context, module: ModuleIndex, node: ast.Dict) -> Iterator[Entry]:
    """The entries of a literal beat schedule."""
    for key, value in zip(node.keys, node.values, strict=True):
        if key is None:
            yield Entry(
                module.text(value),
                "",
                "",
                None,
                "it is built elsewhere and spread in here.",
                path=module.path,
                line=value.lineno,
                column=module.column(value) + 1,
            )
            continue
        name = constant(key)
        label = name if isinstance(name, str) else module.text(key)
        if not isinstance(value, ast.Dict):
            yield Entry(
                label,
                "",
                "",
                None,
                "its entry is no literal dict.",
                path=module.path,
                line=value.lineno,
                column=module.column(value) + 1,
            )
            continue
        parts = {
            text: item
            for part, item in zip(value.keys, value.values, strict=True)
            if isinstance(text := constant(part), str)
        }
        yield entry_of(
            context, module, label, key, parts.pop("schedule", None), parts.pop("task", None), parts
        )


def entry_of_call(context: Context, module: ModuleIndex, call: ast.Call) -> Entry:
    """The entry of `sender.add_periodic_task(schedule, signature, args, kwargs, name=…)`."""
    names = ("schedule", "sig", "args", "kwargs", "name")
    given: dict[str, ast.expr] = dict(zip(names, call.args, strict=False))
    given.update({keyword.arg: keyword.value for keyword in call.keywords if keyword.arg})
    signature = given.pop("sig", None)
    task: TaskDef | None = None
    plain = ""
    if (
        isinstance(signature, ast.Call)
        and isinstance(signature.func, ast.Attribute)
        and signature.func.attr in ("s", "si", "signature", "subtask")
    ):
        task = context.registry.task_at(module, signature.func.value)
        plain = context.project.resolve(module, signature.func.value) or ""
        if signature.func.attr in ("s", "si"):
            if signature.args:
                given["args"] = ast.Tuple(list(signature.args), ast.Load())
            if signature.keywords:
                given["kwargs"] = ast.Dict(
                    [ast.Constant(keyword.arg) for keyword in signature.keywords],
                    [keyword.value for keyword in signature.keywords],
                )
    elif signature is not None:
        task = context.registry.task_at(module, signature)
    name = constant(given.pop("name", None))
    celery_name = task.celery_name if task else plain
    label = name if isinstance(name, str) else celery_name or module.text(call)[:60]
    return entry_of(context, module, label, call, given.pop("schedule", None), celery_name, given)
