"""`t.delay` handed on as a value becomes `partial(async_task, "path")`.

`on_commit(partial(t.delay, x))` becomes `on_commit(partial(async_task, "path", x))`. A table or
a variable that holds `t.delay` holds a partial object then, which is called the same way.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level
from celery2q.index import ModuleIndex
from celery2q.rules.task_call import METHODS, drops
from celery2q.send import CannotSend, Send, plan
from celery2q.tasks import TaskDef

RULE = "task-reference"
KIND = "calls"


def check(context: Context) -> Iterator[Finding]:
    """Find `.delay` and its like where they are not called."""
    for module in context.modules:
        for node in module.attributes:
            if node.attr not in METHODS or not isinstance(node.ctx, ast.Load):
                continue
            parent = module.parents[node]
            if isinstance(parent, ast.Call) and parent.func is node:
                continue
            task = context.registry.task_at(module, node.value)
            if task is not None:
                yield _check(context, module, node, parent, task)


def _check(
    context: Context, module: ModuleIndex, node: ast.Attribute, parent: ast.AST, task: TaskDef
) -> Finding:
    apply, on_commit = METHODS[node.attr]
    message = f"{task.path}.{node.attr} is handed on as a value"
    try:
        if isinstance(parent, ast.Attribute):
            raise CannotSend(f"its .{parent.attr} is read")
        if on_commit or (task.base is not None and task.base.on_commit):
            raise CannotSend("it waits for the transaction to commit")
        signature = task.signature
        if not apply and signature is not None and (signature.reserved or signature.varkw):
            raise CannotSend("async_task would keep some of its arguments for itself")
        bare = ast.copy_location(ast.Call(node, [], []), node)
        module.parents[bare] = parent
        send = plan(context, module, bare, task, node.value, apply)
        bound = module.binding("partial", node)
        if bound is not None and bound.target != "functools.partial":
            raise CannotSend("the name partial means something else here")
    except CannotSend as reason:
        return context.at(
            RULE,
            Level.ERROR,
            module,
            node,
            f"{message}, and {reason}.",
            "Hand on a function that sends it with async_task.",
        )
    function = "enqueue" if apply else send.function
    return context.at(
        RULE,
        Level.ERROR,
        module,
        node,
        f"{message}; a plain function has no such method.",
        f"Hand on partial({function}, {send.target}).",
        edits=[_edit(context, module, node, parent, send, function)],
    )


def _edit(
    context: Context,
    module: ModuleIndex,
    node: ast.Attribute,
    parent: ast.AST,
    send: Send,
    function: str,
) -> Edit:
    imports = [(context.home(function, module), function)]
    options = "".join(f", {name}={value}" for name, value in send.options)
    unused = drops(node.value)
    if isinstance(parent, ast.Call) and parent.args[:1] == [node] and _is_partial(module, parent):
        return module.edit(
            "Call",
            parent,
            lambda call: _flattened(call, send, function),
            imports=imports,
            drops=unused,
        )
    text = f"partial({function}, {send.target}{options})"
    return module.edit(
        "Attribute",
        node,
        lambda _: cst.parse_expression(text),
        imports=[*imports, ("functools", "partial")],
        drops=unused,
    )


def _is_partial(module: ModuleIndex, call: ast.Call) -> bool:
    return module.dotted(call.func) == "functools.partial"


def _flattened(call: cst.Call, send: Send, function: str) -> cst.Call:
    gap = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
    none = cst.SimpleWhitespace("")
    equal = cst.AssignEqual(whitespace_before=none, whitespace_after=none)
    first = call.args[0]
    args = [
        cst.Arg(cst.Name(function), comma=gap),
        first.with_changes(value=cst.parse_expression(send.target)),
        *call.args[1:],
    ]
    for name, value in send.options:
        args[-1] = args[-1].with_changes(comma=gap)
        args.append(cst.Arg(cst.parse_expression(value), keyword=cst.Name(name), equal=equal))
    return call.with_changes(args=args)


_TASKS = "from celery import shared_task\n\n\n@shared_task\ndef send(order):\n    pass\n"

EXAMPLES = (
    Example(
        "a value, a partial and on_commit",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from functools import partial\n\n"
            "from django.db import transaction\n\nfrom shop.tasks import send\n\n\n"
            "def view(now):\n    run = send if now else send.delay\n"
            "    transaction.on_commit(partial(send.delay, 1))\n"
            "    transaction.on_commit(send.delay)\n    run(2)\n",
        },
        ("shop/views.py:9", "shop/views.py:10", "shop/views.py:11"),
        {
            "shop/views.py": "from functools import partial\n\n"
            "from django.db import transaction\nfrom django_q.tasks import async_task\n\n"
            "from shop.tasks import send\n\n\n"
            'def view(now):\n    run = send if now else partial(async_task, "shop.tasks.send")\n'
            '    transaction.on_commit(partial(async_task, "shop.tasks.send", 1))\n'
            '    transaction.on_commit(partial(async_task, "shop.tasks.send"))\n    run(2)\n'
        },
    ),
    Example(
        "an attribute of that name on something else",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from shop.tasks import send\n\n\ndef view(timer):\n"
            "    send(timer.delay)\n",
        },
    ),
)
