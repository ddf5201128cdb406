"""Decorators of the project's own that make Celery tasks.

One that only hands options to Celery's decorator goes, together with its uses. One that makes a
task of an inner function keeps the inner function and loses the task. Others are findings.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level
from celery2q.index import FUNCTIONS
from celery2q.tasks import Wrapper

RULE = "wrapper-decorator"
KIND = "tasks"


def check(context: Context) -> Iterator[Finding]:
    """Find the wrappers of the registry."""
    for wrapper in context.registry.wrappers.values():
        uses = [task for task in context.registry.tasks.values() if task.wrapper is wrapper]
        names = ", ".join(task.path.rsplit(".", 1)[1] for task in uses[:3])
        message = f"{wrapper.path} makes Celery tasks ({len(uses)}" + (
            f": {names}{' …' if len(uses) > 3 else ''})." if uses else ")."
        )
        edits: list[Edit] = []
        fix = "Make it a plain decorator by hand: what it wraps runs as a plain function."
        if wrapper.kind == "inner" and not _bound(context, wrapper):
            edits, fix = _inner_edits(context, wrapper), "Take Celery's decorator out of it."
        elif wrapper.kind == "options" and _only_decorates(context, wrapper, len(uses)):
            edits = [
                wrapper.module.edit(
                    "FunctionDef",
                    wrapper.node,
                    lambda _: cst.RemoveFromParent(),
                    drops=[n.id for n in ast.walk(wrapper.node) if isinstance(n, ast.Name)],
                )
            ]
            fix = "It is not needed any more: its tasks become plain functions."
        yield context.at(RULE, Level.ERROR, wrapper.module, wrapper.node, message, fix, edits)


def _bound(context: Context, wrapper: Wrapper) -> bool:
    for inner in ast.walk(wrapper.node):
        if isinstance(inner, FUNCTIONS):
            for decorator in inner.decorator_list:
                if isinstance(decorator, ast.Call) and any(
                    keyword.arg in ("bind", "base", "autoretry_for")
                    for keyword in decorator.keywords
                    if context.registry.is_decorator(wrapper.module, decorator)
                ):
                    return True
    return any(
        task.bind or "autoretry_for" in task.options
        for task in context.registry.tasks.values()
        if task.wrapper is wrapper
    )


def _inner_edits(context: Context, wrapper: Wrapper) -> list[Edit]:
    module, edits = wrapper.module, []
    for inner in ast.walk(wrapper.node):
        if not isinstance(inner, FUNCTIONS):
            continue
        for decorator in inner.decorator_list:
            if context.registry.is_decorator(module, decorator):
                column = module.column(decorator)
                at = module.source.lines[decorator.lineno - 1].rfind("@", 0, column)
                names = [n.id for n in ast.walk(decorator) if isinstance(n, ast.Name)]
                edits.append(
                    Edit(
                        "Decorator",
                        decorator.lineno,
                        at,
                        lambda _: cst.RemoveFromParent(),
                        drops=tuple(names),
                    )
                )
    return edits


def _only_decorates(context: Context, wrapper: Wrapper, uses: int) -> bool:
    """Whether nothing else in the tree uses the wrapper."""
    name = wrapper.node.name
    seen = 0
    for module in context.modules:
        for node in ast.walk(module.tree):
            if (isinstance(node, ast.Name) and node.id == name) or (
                isinstance(node, ast.Attribute) and node.attr == name
            ):
                seen += context.project.resolve(module, node) == wrapper.path
    return seen == uses


EXAMPLES = (
    Example(
        "options handed on",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": "from celery import shared_task\n\n\ndef slow(**options):\n"
            "    return shared_task(queue='slow', **options)\n\n\n"
            "@slow(ignore_result=True)\ndef one():\n    pass\n",
        },
        ("shop/tasks.py:4",),
        {"shop/tasks.py": "@slow(ignore_result=True)\ndef one():\n    pass\n"},
    ),
    Example(
        "a task made of an inner function",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "import functools\n\nfrom celery import shared_task\n\n\n"
            "def logged(function):\n    @shared_task\n    @functools.wraps(function)\n"
            "    def inner(*args):\n        return function(*args)\n\n    return inner\n\n\n"
            "@logged\ndef one():\n    pass\n",
        },
        ("shop/jobs.py:6",),
        {
            "shop/jobs.py": "import functools\n\n\n"
            "def logged(function):\n    @functools.wraps(function)\n"
            "    def inner(*args):\n        return function(*args)\n\n    return inner\n\n\n"
            "@logged\ndef one():\n    pass\n"
        },
    ),
    Example(
        "a wrapper that calls Celery on what it made",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "from celery import shared_task\n\n\ndef odd(function):\n"
            "    return shared_task(function)(1)\n",
        },
        ("shop/jobs.py:4",),
    ),
    Example(
        "a plain decorator",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "import celery\n\n\ndef logged(function):\n    return function\n",
        },
    ),
)
