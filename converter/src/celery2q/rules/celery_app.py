"""The module of the Celery app goes, and its import in the package's `__init__`.

It goes when it holds nothing but what makes the app (and beat's schedule, and the debug task of
Celery's tutorial), and when nothing but converted code uses the app; else the first thing that
holds it back is named. With `--archive` it is renamed instead of removed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level, TextEdit
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.rules.task_decorator import needs_task

RULE = "celery-app"
KIND = "tasks"


def check(context: Context) -> Iterator[Finding]:
    """Find the modules that make an app, and the packages that import it."""
    for name in sorted(context.registry.app_modules):
        module = context.project.module(name)
        if module is None:
            continue
        apps = {app for app in context.registry.apps if app.rpartition(".")[0] == name}
        reason = _held_by(context, module, apps)
        names = {app.rpartition(".")[2] for app in apps}
        first = next(
            (
                item
                for item in module.tree.body
                if isinstance(item, ast.Assign)
                and isinstance(item.targets[0], ast.Name)
                and item.targets[0].id in names
            ),
            module.tree.body[0],
        )
        message = f"{name} makes the Celery app."
        if reason:
            yield context.at(
                RULE,
                Level.ERROR,
                module,
                first,
                f"{message} {reason}",
                "Settle that, then remove the module.",
            )
            continue
        edits: list[Edit | TextEdit] = [TextEdit(module.path, lambda _: None)]
        if context.config.archive:
            edits.append(_archive(f"{module.path}.archived", module.source.text))
        yield context.at(RULE, Level.ERROR, module, first, message, "Remove it.", edits)
        yield from _importers(context, module, apps)


def _archive(path: str, text: str) -> TextEdit:
    """A copy of a module that goes."""
    return TextEdit(path, lambda old: old or text)


def _held_by(context: Context, module: ModuleIndex, apps: set[str]) -> str:
    """What keeps the module, as a sentence; "" when it can go."""
    beat = {place.statement for place in context.beat if place.removable}
    names = {app.rpartition(".")[2] for app in apps}
    for item in module.tree.body:
        if not _standard(context, module, item, names) and item not in beat:
            text = module.text(item).splitlines()[0][:60]
            return f"Line {item.lineno} does more than that: {text}"
    for other in context.modules:
        if other is not module:
            found = _use(context, other, apps, beat)
            if found:
                return found
    for other in context.modules:
        for node in other.imports:
            if isinstance(node, ast.ImportFrom) and other.absolute(node) == module.name:
                extra = [alias.name for alias in node.names if alias.name not in names]
                if extra:
                    return f"{other.path}:{node.lineno} imports {extra[0]} from it."
    return ""


def _standard(context: Context, module: ModuleIndex, item: ast.stmt, names: set[str]) -> bool:
    if isinstance(item, ast.Import | ast.ImportFrom):
        return True
    if isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant):
        return True
    text = ast.unparse(item)
    if isinstance(item, ast.Expr):
        return text.startswith("os.environ.setdefault(") or any(
            text.startswith((f"{name}.config_from_object(", f"{name}.autodiscover_tasks("))
            or text.startswith(("django.setup(", "logger"))
            for name in names
        )
    if isinstance(item, ast.Assign | ast.AnnAssign):
        targets = item.targets if isinstance(item, ast.Assign) else [item.target]
        target = targets[0]
        if isinstance(target, ast.Name):
            return target.id in names or target.id in ("logger", "__all__")
        return (
            isinstance(target, ast.Attribute)
            and ".conf." in ast.unparse(target)
            and (target.attr not in ("beat_schedule",))
        )
    return isinstance(item, FUNCTIONS) and item.name == "debug_task"


def _use(context: Context, module: ModuleIndex, apps: set[str], beat: set[ast.stmt]) -> str:
    """A use of the app that no other rule converts."""
    fine: set[ast.AST] = set()
    for task in context.registry.tasks.values():
        if task.module is module and task.decorator is not None:
            if not task.nested and not task.spread:
                fine.update(ast.walk(task.decorator))
            needs_task(context, task, set())
    for base in context.registry.bases.values():
        if base.module is module:
            for expression in base.node.bases:
                fine.update(ast.walk(expression))
    for statement in beat:
        fine.update(ast.walk(statement))
    for wrapper in context.registry.wrappers.values():
        if wrapper.module is module and wrapper.kind != "other":
            fine.update(ast.walk(wrapper.node))
    for call in module.calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr == "register_task":
            fine.update(ast.walk(call.func))
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Name) or node in fine or not isinstance(node.ctx, ast.Load):
            continue
        if context.project.resolve(module, node) in apps:
            line = module.source.lines[node.lineno - 1].strip()[:60]
            return f"{module.path}:{node.lineno} uses it: {line}"
    return ""


def _importers(context: Context, module: ModuleIndex, apps: set[str]) -> Iterator[Finding]:
    """`from .celery import app as celery_app` with its `__all__`, where nothing uses it."""
    for other in context.modules:
        if not other.is_package:
            continue
        for node in other.imports:
            if not isinstance(node, ast.ImportFrom) or other.absolute(node) != module.name:
                continue
            locals_ = {alias.asname or alias.name for alias in node.names}
            edits = [
                Edit(
                    "SimpleStatementLine",
                    node.lineno,
                    other.column(node),
                    lambda _: cst.RemoveFromParent(),
                ),
                *_exports(other, locals_),
            ]
            yield context.at(
                RULE,
                Level.ERROR,
                other,
                node,
                "The package imports the Celery app.",
                "Take the import away.",
                edits,
            )


def _exports(module: ModuleIndex, names: set[str]) -> list[Edit]:
    """Edits that take names out of `__all__`."""
    edits: list[Edit] = []
    for item in module.tree.body:
        if not (
            isinstance(item, ast.Assign)
            and isinstance(item.targets[0], ast.Name)
            and item.targets[0].id == "__all__"
            and isinstance(item.value, ast.List | ast.Tuple)
        ):
            continue
        values = [getattr(element, "value", None) for element in item.value.elts]
        if all(value in names for value in values):
            edits.append(
                Edit(
                    "SimpleStatementLine",
                    item.lineno,
                    module.column(item),
                    lambda _: cst.RemoveFromParent(),
                )
            )
        else:
            for element in item.value.elts:
                if getattr(element, "value", None) in names:
                    edits.append(module.edit("Element", element, lambda _: cst.RemoveFromParent()))
    return edits


_APP = (
    "import os\n\nfrom celery import Celery\n\nos.environ.setdefault('A', 'b')\n\n"
    "app = Celery('shop')\napp.config_from_object('django.conf:settings')\n"
    "app.autodiscover_tasks()\n"
)
_INIT = "from .celery import app as celery_app\n\n__all__ = ('celery_app',)\n"

EXAMPLES = (
    Example(
        "the app of the tutorial",
        {"shop/__init__.py": '"""Shop."""\n\n' + _INIT, "shop/celery.py": _APP},
        ("shop/__init__.py:3", "shop/celery.py:7"),
        {"shop/__init__.py": '"""Shop."""\n', "shop/celery.py": None},
    ),
    Example(
        "an app with something of its own, and one that is used",
        {
            "shop/__init__.py": "",
            "shop/celery.py": _APP + "\n\ndef length():\n    return 1\n",
            "mail/__init__.py": "",
            "mail/celery.py": _APP,
            "mail/a.py": "from mail.celery import app\n\nprint(app.conf)\n",
        },
        ("mail/celery.py:7", "shop/celery.py:7"),
    ),
    Example(
        "a module of that name without an app",
        {"shop/__init__.py": "", "shop/celery.py": "# celery\nX = 1\n"},
    ),
)
