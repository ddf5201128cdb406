"""Imports from celery, kombu, django_celery_beat and their like, and of the Celery app.

By statement and by name (`import_module("celery")`). What the other rules convert takes its imports
along. An import that is left over fails at start as soon as the package is gone. Exceptions with a
twin in the helper or in Django are imported from there; `get_task_logger` becomes
`logging.getLogger`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level
from celery2q.index import ModuleIndex
from celery2q.tasks import constant

RULE = "celery-import"
KIND = "tasks"
PACKAGES = frozenset(
    "celery kombu billiard django_celery_beat django_celery_results djcelery celery_once "
    "celery_singleton flower".split()
)
LOGGER = "celery.utils.log.get_task_logger"
#: Packages of other names that cannot be without Celery.
BUILT_ON = re.compile(r"^(?:celery_\w+|django_celery_\w+|\w+_celery)$")
#: Functions that import by name.
BY_NAME = ("importlib.import_module", "django.utils.module_loading.import_string", "__import__")
#: Celery's name → the helper's.
TWINS = {
    "celery.exceptions.Retry": "Retry",
    "celery.exceptions.MaxRetriesExceededError": "MaxRetriesExceededError",
    "kombu.exceptions.OperationalError": "django.db.OperationalError",
}


def check(context: Context) -> Iterator[Finding]:
    """Find the imports, wherever they stand."""
    for module in context.modules:
        for node in module.imports:
            yield from _check(context, module, node)
        for call in module.calls:
            yield from _by_name(context, module, call)
            if module.dotted(call.func) == LOGGER:
                yield _logger(context, module, call.func)
        for attribute in module.attributes:
            if module.dotted(attribute) in TWINS and isinstance(attribute.value, ast.Attribute):
                yield _attribute(context, module, attribute)


def _logger(context: Context, module: ModuleIndex, node: ast.expr) -> Finding:
    kind = "Name" if isinstance(node, ast.Name) else "Attribute"
    names = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    bound = module.binding("logging", node)
    own = bound is not None and bound.target != "logging"
    return context.at(
        RULE,
        Level.ERROR,
        module,
        node,
        f"{LOGGER} is used.",
        "Use logging.getLogger; the cluster configures no loggers of its own.",
        edits=[]
        if own
        else [
            module.edit(
                kind,
                node,
                lambda _: cst.parse_expression("logging.getLogger"),
                imports=[("logging", "")],
                drops=names,
            )
        ],
    )


def _is_celerys(context: Context, name: str) -> bool:
    """Whether a dotted name belongs to Celery or to a package that needs it."""
    top = name.split(".")[0]
    return (top in PACKAGES or BUILT_ON.match(top) is not None) and not _local(context, name)


def _by_name(context: Context, module: ModuleIndex, call: ast.Call) -> Iterator[Finding]:
    name = constant(call.args[0]) if call.args else None
    if not isinstance(name, str) or not _is_celerys(context, name):
        return
    if (context.project.resolve(module, call.func) or module.text(call.func)) in BY_NAME:
        yield context.at(
            RULE,
            Level.ERROR,
            module,
            call,
            f"{name} is imported by name.",
            "Take the import away with what uses it.",
        )


def _twin(context: Context, name: str) -> tuple[str, str]:
    """Where the twin of one of Celery's exceptions is imported from."""
    module, _, twin = TWINS[name].rpartition(".")
    return module or context.helper, twin


def _attribute(context: Context, module: ModuleIndex, node: ast.Attribute) -> Finding:
    name = module.dotted(node) or ""
    place, twin = _twin(context, name)
    first = next(inner for inner in ast.walk(node) if isinstance(inner, ast.Name))
    return context.at(
        RULE,
        Level.ERROR,
        module,
        node,
        f"{name} is used.",
        f"Use {twin} of {place}.",
        edits=[
            module.edit(
                "Attribute",
                node,
                lambda _: cst.Name(twin),
                imports=[(place, twin)],
                drops=[first.id],
            )
        ],
    )


def _check(
    context: Context, module: ModuleIndex, node: ast.Import | ast.ImportFrom
) -> Iterator[Finding]:
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif not node.level and _is_celerys(context, node.module or ""):
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        base = module.absolute(node)
        names = [f"{base}.{alias.name}" for alias in node.names]
    found = [name for name in names if _is_celerys(context, name)]
    if found:
        yield context.at(
            RULE,
            Level.ERROR,
            module,
            node,
            f"{', '.join(found)} is imported.",
            "Take the import away with what uses it.",
            edits=_twins(context, module, node, found),
        )
        return
    gone = [name for name in names if _app_is_gone(context, name)]
    if gone:
        yield context.at(
            RULE,
            Level.ERROR,
            module,
            node,
            f"{', '.join(gone)} is imported, and there is no such module in this tree.",
            "Take the import away: it named the Celery app.",
        )


def _local(context: Context, name: str) -> bool:
    """Whether the tree has a package of that name itself."""
    return name.split(".")[0] in context.project.by_module


def _twins(context: Context, module: ModuleIndex, node: ast.AST, found: list[str]) -> list[Edit]:
    if not isinstance(node, ast.ImportFrom) or not all(name in TWINS for name in found):
        return []
    if module.parents[node] is not module.tree or any(alias.asname for alias in node.names):
        return []
    return [
        Edit(
            "ImportFrom",
            node.lineno,
            module.column(node),
            lambda _: cst.RemoveFromParent(),
            imports=tuple(_twin(context, name) for name in found),
        )
    ]


def _app_is_gone(context: Context, name: str) -> bool:
    """Whether a name is a module `celery` of a package of this tree that is not there."""
    parts = name.split(".")
    for index, part in enumerate(parts):
        if part in ("celery", "celery_app", "celeryapp") and index:
            package = ".".join(parts[:index])
            source = context.project.by_module.get(package)
            if source is None or source.name != "__init__.py":
                return False
            dotted = ".".join(parts[: index + 1])
            if dotted in context.project.by_module:
                return False
            module = context.project.module(package)
            return module is not None and part not in module.top
    return False


EXAMPLES = (
    Example(
        "imports that are left over",
        {
            "shop/__init__.py": "from .celery import app as celery_app\n",
            "shop/a.py": "import celery.result\nfrom kombu import Queue\n"
            "from django_celery_beat.models import PeriodicTask\n",
        },
        ("shop/__init__.py:1", "shop/a.py:1", "shop/a.py:2", "shop/a.py:3"),
    ),
    Example(
        "the logger of a task",
        {
            "shop/__init__.py": "",
            "shop/a.py": "from celery.utils.log import get_task_logger\n\n"
            "logger = get_task_logger(__name__)\n",
            "shop/b.py": "from celery.utils import log\n\nlogging = 1\n"
            "logger = log.get_task_logger(__name__)\n",
        },
        ("shop/a.py:1", "shop/a.py:3", "shop/b.py:1", "shop/b.py:4"),
        {"shop/a.py": "import logging\n\nlogger = logging.getLogger(__name__)\n"},
    ),
    Example(
        "packages that are built on Celery, and imports by name",
        {
            "shop/__init__.py": "",
            "shop/a.py": "import importlib\n\nimport tenant_schemas_celery.app\n"
            "from celery_progress.backend import ProgressRecorder\n\n"
            "importlib.import_module('celery.app')\n__import__('kombu')\n",
        },
        ("shop/a.py:3", "shop/a.py:4", "shop/a.py:6", "shop/a.py:7"),
    ),
    Example(
        "exceptions with a twin",
        {
            "shop/__init__.py": "",
            "shop/celery.py": "",
            "shop/a.py": "from celery.exceptions import MaxRetriesExceededError\n\ncelery = 1\n",
        },
        ("shop/a.py:1",),
        {"shop/a.py": "from shop.q_tasks import MaxRetriesExceededError\n\ncelery = 1\n"},
    ),
    Example(
        "a package of the same name in the tree",
        {
            "celery/__init__.py": "",
            "shop_celery/__init__.py": "",
            "shop/__init__.py": "",
            "shop/a.py": "import celery\nimport shop_celery\n\n"
            "print('celery')\nimport_module(name)\n",
        },
    ),
)
