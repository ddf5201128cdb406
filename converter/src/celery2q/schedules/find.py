"""Finding where a tree's code defines beat's schedule."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from celery2q.context import Context
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.schedules.model import Entry
from celery2q.schedules.read import entries_of_dict, entry_of, entry_of_call
from celery2q.tasks import constant

SETTINGS = ("CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE")
ATTRIBUTES = ("beat_schedule", "CELERYBEAT_SCHEDULE", "CELERY_BEAT_SCHEDULE")
CONNECTS = ("on_after_configure", "on_after_finalize")


@dataclass(frozen=True, eq=False)
class Place:
    """A statement that defines entries.

    Attributes:
        entries: what it defines.
        statement: the statement (or the function connected to the app) to take away.
        removable: whether all of it is read, so that nothing is lost with it.
    """

    module: ModuleIndex
    statement: ast.stmt
    entries: tuple[Entry, ...]
    removable: bool


def places(context: Context) -> list[Place]:
    """Every place of a tree where beat's schedule is defined, in path and line order."""
    found: list[Place] = []
    for module in context.modules:
        text = module.source.text
        if any(name in text for name in (*SETTINGS, *ATTRIBUTES)):
            found += _assigned(context, module)
        if "add_periodic_task" in text:
            found += _connected(context, module)
        if "run_every" in text:
            found += _decorated(context, module)
    return sorted(found, key=lambda place: (place.module.path, place.statement.lineno))


def _target(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    """Whether an expression is beat's schedule: of an app's conf, or a setting."""
    if isinstance(node, ast.Attribute) and node.attr in ATTRIBUTES:
        conf = node.value
        return (
            isinstance(conf, ast.Attribute)
            and conf.attr == "conf"
            and context.registry.is_app(module, conf.value)
        )
    return (
        isinstance(node, ast.Name)
        and node.id in SETTINGS
        and next(module.scopes_of(node)) is module.tree
    )


def _assigned(context: Context, module: ModuleIndex) -> list[Place]:
    found = []
    for node in ast.walk(module.tree):
        value: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            if _target(context, module, target):
                value = node.value
            elif isinstance(target, ast.Subscript) and _target(context, module, target.value):
                value = ast.copy_location(ast.Dict([target.slice], [node.value]), node.value)
        elif isinstance(node, ast.AnnAssign | ast.AugAssign):
            if _target(context, module, node.target):
                value = node.value
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            value = _updated(context, module, node.value)
        if value is None:
            continue
        assert isinstance(node, ast.stmt)
        if isinstance(value, ast.Dict):
            entries = tuple(entries_of_dict(context, module, value))
            plain = _unconditional(module, node)
        else:
            entries = (
                Entry(
                    "(schedule)",
                    "",
                    "",
                    None,
                    "it is built by code, not written as a dict.",
                    path=module.path,
                    line=node.lineno,
                    column=module.column(node) + 1,
                ),
            )
            plain = False
        readable = all(entry.timing is not None and entry.func for entry in entries)
        found.append(Place(module, node, entries, plain and readable))
    return found


def _unconditional(module: ModuleIndex, node: ast.stmt) -> bool:
    parent = module.parents.get(node)
    return isinstance(parent, ast.Module) or (
        isinstance(parent, FUNCTIONS) and _is_connected(parent)
    )


def _updated(context: Context, module: ModuleIndex, call: ast.Call) -> ast.expr | None:
    """The dict of `….beat_schedule.update({…})` or of `conf.update(beat_schedule={…})`."""
    func = call.func
    if not (isinstance(func, ast.Attribute) and func.attr == "update"):
        return None
    if _target(context, module, func.value) and call.args:
        return call.args[0]
    if isinstance(func.value, ast.Attribute) and func.value.attr == "conf":
        if context.registry.is_app(module, func.value.value) and len(call.keywords) == 1:
            if call.keywords[0].arg in ATTRIBUTES:
                return call.keywords[0].value
    return None


def _own_method(module: ModuleIndex, node: ast.Attribute) -> bool:
    """Whether `self.add_periodic_task` is a method of the class that it stands in."""
    owner = module.class_around(node)
    return (
        owner is not None
        and module.text(node.value) == "self"
        and node.attr in module.scopes[owner]
    )


def _is_connected(node: ast.AST) -> bool:
    return isinstance(node, FUNCTIONS) and any(
        isinstance(inner, ast.Attribute) and inner.attr in CONNECTS
        for decorator in node.decorator_list
        for inner in ast.walk(decorator)
    )


def _connected(context: Context, module: ModuleIndex) -> list[Place]:
    """Functions that add periodic tasks when the app is configured."""
    found = []
    for node in module.functions:
        calls = [
            inner
            for inner in ast.walk(node)
            if isinstance(inner, ast.Call)
            and isinstance(inner.func, ast.Attribute)
            and inner.func.attr == "add_periodic_task"
            and not _own_method(module, inner.func)
        ]
        if not calls:
            continue
        entries = tuple(entry_of_call(context, module, call) for call in calls)
        rest = [
            item
            for item in node.body
            if not (isinstance(item, ast.Expr) and item.value in calls)
            and not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
            and not isinstance(item, ast.Import | ast.ImportFrom | ast.Pass)
        ]
        good = [
            _is_connected(node)
            and entry.timing is not None
            and bool(entry.func)
            and isinstance(module.parents[call], ast.Expr)
            and module.parents[module.parents[call]] is node
            for call, entry in zip(calls, entries, strict=True)
        ]
        if all(good) and not rest:
            found.append(Place(module, node, entries, True))
            continue
        for call, entry, fine in zip(calls, entries, good, strict=True):
            found.append(Place(module, module.statement(call), (entry,), fine))
    return found


def _decorated(context: Context, module: ModuleIndex) -> list[Place]:
    """`@periodic_task(run_every=…)` of old Celery; the decorator goes with the task's."""
    found = []
    for task in context.registry.tasks.values():
        decorator = task.decorator
        if task.module is not module or not isinstance(decorator, ast.Call):
            continue
        if "run_every" not in task.options:
            continue
        parts = {
            name: value for name, value in task.options.items() if name in ("queue", "options")
        }
        name = constant(task.options.get("name"))
        entry = entry_of(
            context,
            module,
            name if isinstance(name, str) else task.celery_name,
            decorator,
            task.options["run_every"],
            task.celery_name,
            parts,
        )
        assert isinstance(task.node, ast.stmt)
        found.append(Place(module, task.node, (entry,), False))
    return found
