"""What asks or steers Celery itself: results, revoke, inspect, control, signals, send_task.

Django-Q2 has no like for most of it. `current_task.request.id` becomes the helper's
`current_task_id()`; `send_task` by a name of the tree is sent with async_task.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level
from celery2q.index import ModuleIndex
from celery2q.send import quote
from celery2q.tasks import constant

RULE = "celery-control"
KIND = "calls"
ADVICE = {
    "celery.result.AsyncResult": "Look the id up with django_q.tasks.fetch(id).",
    "celery.result.GroupResult": "Give the tasks a group and read django_q.tasks.fetch_group.",
    "celery.result.ResultSet": "Give the tasks a group and read django_q.tasks.fetch_group.",
    "celery.current_task": "Take what you need from the helper's q_task(bind=True).",
    "celery.states": "A Django-Q2 task has succeeded, failed, or is in the queue.",
}
PROGRESS = "Keep the progress in the cache or in a model, under the helper's current_task_id()."
APP_PARTS = {
    "control": "Django-Q2 cannot be steered from outside; delete the OrmQ row to revoke a task.",
    "conf": "Say it in Q_CLUSTER, or do without it.",
    "tasks": "There is no register of tasks; a task is any function that can be imported.",
    "AsyncResult": "Look the id up with django_q.tasks.fetch(id).",
    "backend": "Results are rows of django_q.models.Task.",
    "connection": "The queue is the table of django_q.models.OrmQ.",
    "connection_for_write": "The queue is the table of django_q.models.OrmQ.",
    "connection_or_acquire": "The queue is the table of django_q.models.OrmQ.",
    "pool": "The queue is the table of django_q.models.OrmQ.",
    "broker_connection": "The queue is the table of django_q.models.OrmQ.",
    "events": "Hear the signals of django_q.signals.",
    "amqp": "The queue is the table of django_q.models.OrmQ.",
    "on_after_configure": "Do it in an AppConfig's ready(), or in setup_schedules.",
    "on_after_finalize": "Do it in an AppConfig's ready(), or in setup_schedules.",
    "Task": "Derive task classes from the helper's QTask.",
    "start": "Start manage.py qcluster.",
    "worker_main": "Start manage.py qcluster.",
}
#: Parts of the app that other rules look after.
ELSEWHERE = frozenset(
    "task periodic_task register_task send_task add_periodic_task Task config_from_object "
    "autodiscover_tasks set_default set_current setup_security".split()
)
BROKER_ERRORS = ("connection_errors", "recoverable_connection_errors", "channel_errors")


def check(context: Context) -> Iterator[Finding]:
    """Find them by what the names stand for."""
    for module in context.modules:
        for node in module.attributes:
            if isinstance(node.ctx, ast.Load):
                yield from _attribute(context, module, node)
        for call in module.calls:
            yield from _call(context, module, call)
        for name in module.loads:
            yield from _name(context, module, name)


def _whole(module: ModuleIndex, node: ast.AST) -> ast.AST:
    """The longest dotted name that a name begins."""
    parent = module.parents.get(node)
    return _whole(module, parent) if isinstance(parent, ast.Attribute) else node


def _is_id(module: ModuleIndex, node: ast.Name | ast.Attribute) -> ast.Attribute | None:
    """`current_task.request.id` around a node."""
    request = module.parents.get(node)
    if isinstance(request, ast.Attribute) and request.attr == "request":
        found = module.parents.get(request)
        if isinstance(found, ast.Attribute) and found.attr in ("id", "task_id"):
            return found
    return None


def _name(context: Context, module: ModuleIndex, node: ast.Name) -> Iterator[Finding]:
    found = module.binding(node.id, node)
    if found is None or found.kind != "import":
        return
    dotted = context.project.canonical(found.target)
    if dotted in ADVICE:
        yield from _use(context, module, node, dotted)
    elif dotted.startswith("celery.signals"):
        yield context.at(
            RULE,
            Level.ERROR,
            module,
            node,
            f"A Celery signal is used ({module.text(_whole(module, node))}).",
            "Hear pre_execute or post_execute of django_q.signals, or drop it.",
        )


def _use(
    context: Context, module: ModuleIndex, node: ast.Name | ast.Attribute, dotted: str
) -> Iterator[Finding]:
    whole = _is_id(module, node) if dotted == "celery.current_task" else None
    edits = []
    if whole is not None and isinstance(node, ast.Name):
        edits = [
            module.edit(
                "Attribute",
                whole,
                lambda _: cst.parse_expression("current_task_id()"),
                imports=[(context.helper, "current_task_id")],
                drops=[node.id],
            )
        ]
    asked = isinstance(module.parents.get(node), ast.BoolOp | ast.UnaryOp | ast.If | ast.IfExp)
    if dotted == "celery.current_task" and asked and isinstance(node, ast.Name):
        edits = [
            module.edit(
                "Name",
                node,
                lambda _: cst.parse_expression("current_task_id()"),
                imports=[(context.helper, "current_task_id")],
                drops=[node.id],
            )
        ]
    asks = module.parents.get(node)
    progress = isinstance(asks, ast.Attribute) and asks.attr == "update_state"
    yield context.at(
        RULE,
        Level.ERROR,
        module,
        node,
        f"{dotted} is used, which only Celery has.",
        PROGRESS if progress else ADVICE[dotted],
        edits,
    )


def _database_error(module: ModuleIndex, node: ast.Attribute) -> Edit:
    """`(DatabaseError,)` in place of a broker's errors, or the class alone in `(…, *errors)`."""
    around = module.parents[node]
    imports = [("django.db", "DatabaseError")]
    drops = [inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    if isinstance(around, ast.Starred) and isinstance(module.parents[around], ast.Tuple):
        return module.edit(
            "StarredElement",
            around,
            lambda old: cst.Element(cst.Name("DatabaseError"), comma=old.comma),
            imports,
            drops,
        )
    return module.edit(
        "Attribute", node, lambda _: cst.parse_expression("(DatabaseError,)"), imports, drops
    )


def _attribute(context: Context, module: ModuleIndex, node: ast.Attribute) -> Iterator[Finding]:
    if node.attr in BROKER_ERRORS and isinstance(node.value, ast.Call):
        func = node.value.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr.startswith("connection")
            and context.registry.is_app(module, func.value)
        ):
            yield context.at(
                RULE,
                Level.ERROR,
                module,
                node,
                "The errors of a Celery broker's connection are asked for.",
                "The queue is a table: catch django.db.DatabaseError.",
                [_database_error(module, node)],
            )
            return
    if node.attr == "Task" and not isinstance(module.parents[node], ast.Call):
        return  # a base class, which task-class looks after
    around = module.parents[module.parents[node]]
    if isinstance(around, ast.Attribute) and around.attr in BROKER_ERRORS:
        return  # found as a whole
    known = node.attr in APP_PARTS or node.attr not in ELSEWHERE
    if known and context.registry.is_app(module, node.value):
        yield context.at(
            RULE,
            Level.ERROR,
            module,
            node,
            f"{module.text(node)} asks the Celery app.",
            APP_PARTS.get(node.attr, "Do without it."),
        )
        return
    dotted = module.dotted(node)
    if dotted and dotted.startswith("celery.") and context.project.canonical(dotted) in ADVICE:
        yield from _use(context, module, node, context.project.canonical(dotted))


def _call(context: Context, module: ModuleIndex, call: ast.Call) -> Iterator[Finding]:
    func = call.func
    if not (isinstance(func, ast.Attribute) and func.attr == "send_task"):
        return
    if not context.registry.is_app(module, func.value):
        return
    name = constant(call.args[0]) if call.args else None
    path = context.registry.names.get(name) if isinstance(name, str) else None
    keywords = {keyword.arg for keyword in call.keywords}
    edits = []
    if (
        path is not None
        and len(call.args) == 1
        and keywords <= {"args", "kwargs", "countdown", "eta", "queue"}
    ):
        target = quote(path, module)

        def replace(old: cst.Call) -> cst.Call:
            first = old.args[0].with_changes(value=cst.parse_expression(target))
            return old.with_changes(func=cst.Name("enqueue"), args=[first, *old.args[1:]])

        edits = [
            module.edit(
                "Call",
                call,
                replace,
                imports=[(context.helper, "enqueue")],
                drops=[n.id for n in ast.walk(func) if isinstance(n, ast.Name)],
            )
        ]
    what = f"{name!r}" if isinstance(name, str) else "a computed name"
    known = "" if path else ", which no task of this tree has"
    yield context.at(
        RULE,
        Level.ERROR,
        module,
        call,
        f"send_task sends {what}{known}.",
        f"Send {path or 'its function'} by its dotted path.",
        edits,
    )


_APP = "from celery import Celery\n\napp = Celery('shop')\n"

EXAMPLES = (
    Example(
        "results, control, signals and the app's parts",
        {
            "shop/__init__.py": "",
            "shop/celery.py": _APP,
            "shop/a.py": "from celery.result import AsyncResult\n"
            "from celery.signals import task_failure\n"
            "from shop.celery import app\n\nAsyncResult('x')\n"
            "task_failure.connect(print)\napp.control.revoke('x')\napp.signature('one')\n",
        },
        ("shop/a.py:5", "shop/a.py:6", "shop/a.py:7", "shop/a.py:8"),
    ),
    Example(
        "the id of the running task, and a task sent by name",
        {
            "shop/__init__.py": "",
            "shop/celery.py": _APP,
            "shop/a.py": "from celery import current_task, shared_task\n"
            "from shop.celery import app\n\n\n"
            "@shared_task(name='one')\ndef one():\n    if current_task:\n"
            "        print(current_task.request.id)\n"
            "    app.send_task('one', args=[], countdown=3)\n    app.send_task('two')\n",
        },
        ("shop/a.py:7", "shop/a.py:8", "shop/a.py:9", "shop/a.py:10"),
        {
            "shop/a.py": "from celery import shared_task\nfrom shop.celery import app\n"
            "from shop.q_tasks import current_task_id, enqueue\n\n\n"
            "@shared_task(name='one')\ndef one():\n    if current_task_id():\n"
            "        print(current_task_id())\n"
            "    enqueue('shop.a.one', args=[], countdown=3)\n    app.send_task('two')\n"
        },
    ),
    Example(
        "the broker's errors",
        {
            "shop/__init__.py": "",
            "shop/celery.py": _APP,
            "shop/a.py": "from shop.celery import app\n\n"
            "ERRORS = app.connection_for_write().connection_errors\n\ntry:\n    pass\n"
            "except (ValueError, *app.connection_for_write().connection_errors):\n    pass\n",
        },
        ("shop/a.py:3", "shop/a.py:7"),
        {
            "shop/a.py": "from django.db import DatabaseError\n\n"
            "ERRORS = (DatabaseError,)\n\ntry:\n    pass\n"
            "except (ValueError, DatabaseError):\n    pass\n"
        },
    ),
    Example(
        "a conf of another app",
        {"shop/__init__.py": "", "shop/a.py": "import celery\n\nother.control.revoke(1)\n"},
    ),
)
