"""What only a Celery task has, not a function: `.run`, `.name`, `.apply` and more.

`.run(…)` becomes a call, `.name` of a plain task its dotted path, `.apply(args, kwargs).get()` and
an `.apply(…, throw=True)` whose result nobody takes a call. Whatever else is read of a task is a
finding: a plain function has no such attribute.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import ModuleIndex
from celery2q.rules.canvas import SIGNATURES
from celery2q.rules.task_call import METHODS
from celery2q.rules.task_decorator import TASK_ATTRIBUTES
from celery2q.send import quote
from celery2q.tasks import TaskDef, constant

RULE = "task-attribute"
KIND = "calls"
#: What a function has too, or another rule looks after.
FINE = frozenset(
    (*METHODS, *SIGNATURES, *TASK_ATTRIBUTES, "__name__", "__doc__", "__module__", "__wrapped__",
     "__call__", "__qualname__", "__dict__", "cache_clear")
)  # fmt: skip


def check(context: Context) -> Iterator[Finding]:
    """Find attributes of tasks."""
    for module in context.modules:
        for node in module.attributes:
            task = context.registry.task_at(module, node.value)
            if task is None or task.kind != "function" or node.attr in FINE:
                continue
            if isinstance(node.ctx, ast.Load):
                yield _check(context, module, node, task)


def _check(context: Context, module: ModuleIndex, node: ast.Attribute, task: TaskDef) -> Finding:
    parent = module.parents[node]
    called = isinstance(parent, ast.Call) and parent.func is node
    message = f"{task.path}.{node.attr} is read; a plain function has no such attribute."
    edits = []
    fix = "Do without it: a task is its function now."
    if node.attr == "run" and called and not task.bind:
        edits = [module.edit("Attribute", node, lambda old: old.value)]
        fix = "Call the function."
    elif node.attr == "name":
        text = quote(task.path, module)
        edits = [module.edit("Attribute", node, lambda _: cst.parse_expression(text))]
        fix = f"Write {text}."
    elif node.attr == "apply" and called:
        fix = "Call the function; it runs here and now, and raises what it raises."
        outer = _got(module, parent)
        if outer is not None:
            edits = [module.edit("Call", outer, lambda old: _direct(old.func.value))]
        elif isinstance(parent, ast.Call) and _thrown(module, parent):
            edits = [module.edit("Call", parent, _direct)]
    return context.at(RULE, Level.ERROR, module, node, message, fix, edits)


def _got(module: ModuleIndex, call: ast.AST) -> ast.Call | None:
    """The `.get()` around `t.apply(…)`, when its arguments are plain."""
    attribute = module.parents[call]
    if not (isinstance(attribute, ast.Attribute) and attribute.attr == "get"):
        return None
    outer = module.parents[attribute]
    if not isinstance(outer, ast.Call) or outer.func is not attribute or outer.args:
        return None
    assert isinstance(call, ast.Call)
    names = {keyword.arg for keyword in call.keywords}
    return outer if names <= {"args", "kwargs"} and len(call.args) <= 2 else None


def _thrown(module: ModuleIndex, call: ast.Call) -> bool:
    """Whether `t.apply(…)` raises what the task raises, and its result goes nowhere."""
    named = {keyword.arg: keyword.value for keyword in call.keywords}
    return (
        isinstance(module.parents[call], ast.Expr)
        and constant(named.get("throw")) is True
        and named.keys() <= {"args", "kwargs", "throw"}
        and len(call.args) <= 2
    )


def _direct(inner: cst.Call) -> cst.Call:
    """`t.apply(args, kwargs)` as a call of the function."""
    from celery2q.build import arguments_of

    positional, keywords, _ = arguments_of(inner, apply=True)
    args = [arg.with_changes(comma=cst.MaybeSentinel.DEFAULT) for arg in (*positional, *keywords)]
    return cst.Call(inner.func.value, args)


_TASKS = "from celery import shared_task\n\n\n@shared_task\ndef send(order):\n    pass\n\n\n"

EXAMPLES = (
    Example(
        "run, name, apply and one that nothing replaces",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS + "send.run(1)\nprint(send.name)\n"
            "assert send.apply(args=(1,), kwargs={'a': 2}).get()\nsend.AsyncResult(3)\n"
            "send.apply((1,), throw=True)\nsend.apply((1,))\nx = send.apply((1,), throw=True)\n",
        },
        tuple(f"shop/tasks.py:{line}" for line in range(9, 16)),
        {
            "shop/tasks.py": _TASKS + "send(1)\nprint('shop.tasks.send')\n"
            "assert send(1, a=2)\nsend.AsyncResult(3)\n"
            "send(1)\nsend.apply((1,))\nx = send.apply((1,), throw=True)\n",
        },
    ),
    Example(
        "what a function has too",
        {"shop/__init__.py": "", "shop/tasks.py": _TASKS + "print(send.__name__)\n"},
    ),
)
