"""Task classes: the project's own bases of tasks, and tasks written as classes.

`class X(Task)` and `class X(app.Task)` get the helper's QTask as base, which runs the same hooks.
An `apply_async` that does nothing but wait for the commit goes: each call says so itself.
`app.register_task(X())` becomes `X()`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.tasks import BaseClass, _only_on_commit

RULE = "task-class"
KIND = "tasks"


def check(context: Context) -> Iterator[Finding]:
    """Find task classes and where their objects are registered."""
    for base in context.registry.bases.values():
        for expression in base.node.bases:
            if context.registry.is_task_class(base.module, expression):
                yield _base(context, base, expression)
        for method in base.node.body:
            if (
                isinstance(method, FUNCTIONS)
                and method.name in ("apply_async", "delay")
                and _only_on_commit(method)
            ):
                yield _sender(context, base, method)
    for module in context.modules:
        for call in module.calls:
            func = call.func
            if (
                isinstance(func, ast.Attribute)
                and func.attr == "register_task"
                and context.registry.is_app(module, func.value)
                and len(call.args) == 1
            ):
                yield context.at(
                    RULE,
                    Level.ERROR,
                    module,
                    call,
                    "A task object is registered with Celery's app.",
                    "Keep the object at the module's top; Django-Q2 finds it by its path.",
                    edits=[
                        module.edit(
                            "Call",
                            call,
                            lambda old: old.args[0].value,
                            drops=_names(func.value),
                        )
                    ],
                )


def _names(node: ast.AST) -> tuple[str, ...]:
    return tuple(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


def _base(context: Context, base: BaseClass, expression: ast.expr) -> Finding:
    node: ast.AST = expression
    kind = type(node).__name__
    return context.at(
        RULE,
        Level.ERROR,
        base.module,
        expression,
        f"{base.path} is a class of Celery tasks.",
        f"Derive it from QTask of {context.helper}.",
        edits=[
            base.module.edit(
                kind,
                node,
                lambda _: cst.Name("QTask"),
                imports=[(context.helper, "QTask")],
                drops=_names(node),
            )
        ],
    )


def _sender(context: Context, base: BaseClass, method: ast.AST) -> Finding:
    module: ModuleIndex = base.module
    return context.at(
        RULE,
        Level.ERROR,
        module,
        method,
        f"{base.path} only sends when the transaction commits.",
        "Say so where it is sent: transaction.on_commit(partial(async_task, …)).",
        edits=[
            module.edit(
                "FunctionDef", method, lambda _: cst.RemoveFromParent(), drops=_names(method)
            )
        ],
    )


_APP = "from celery import Celery\n\napp = Celery('shop')\n"

EXAMPLES = (
    Example(
        "bases and registered objects",
        {
            "shop/__init__.py": "",
            "shop/celery.py": _APP,
            "shop/tasks.py": "from celery import Task\n\nfrom shop.celery import app\n\n\n"
            "class Base(Task):\n    def on_failure(self, *args):\n        pass\n\n\n"
            "class Send(Base):\n    def run(self, order):\n        pass\n\n\n"
            "send = app.register_task(Send())\n",
        },
        ("shop/tasks.py:6", "shop/tasks.py:16"),
        {
            "shop/tasks.py": "from shop.q_tasks import QTask\n\n\n"
            "class Base(QTask):\n    def on_failure(self, *args):\n        pass\n\n\n"
            "class Send(Base):\n    def run(self, order):\n        pass\n\n\n"
            "send = Send()\n"
        },
    ),
    Example(
        "a base that waits for the commit",
        {
            "shop/__init__.py": "",
            "shop/celery.py": _APP,
            "shop/tasks.py": "from django.db import transaction\n\n"
            "from shop.celery import app\n\n\n"
            "class Late(app.Task):\n    abstract = True\n\n"
            "    def apply_async(self, *args, **kwargs):\n        transaction.on_commit(\n"
            "            lambda: super(Late, self).apply_async(*args, **kwargs)\n        )\n",
        },
        ("shop/tasks.py:6", "shop/tasks.py:9"),
        {
            "shop/tasks.py": "from shop.q_tasks import QTask\n\n\n"
            "class Late(QTask):\n    abstract = True\n"
        },
    ),
    Example(
        "a class called Task that is not Celery's",
        {
            "shop/__init__.py": "",
            "shop/a.py": "import celery\nfrom x import Task\n\n\nclass A(Task):\n    pass\n",
        },
    ),
)
