"""A sending whose value is handed on: it is the task's id now, a string, no AsyncResult.

Where only `.id` is read of it here, the conversion takes that away. Who gets it elsewhere has
to be looked at.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.results import result_use
from celery2q.rules.task_call import METHODS
from celery2q.send import values_of

RULE = "result-use"
ONCE = True


def check(context: Context) -> Iterator[Finding]:
    """Find sendings whose value leaves the place."""
    for module in context.modules:
        for call in module.calls:
            func = call.func
            if not (isinstance(func, ast.Attribute) and func.attr in METHODS):
                continue
            use = result_use(module, call)
            if use.kind == "escapes" and values_of(context, module, func.value):
                yield context.at(
                    RULE,
                    Level.WARNING,
                    module,
                    call,
                    f"The result of {module.text(func)}() is handed on ({use.detail}); it is a "
                    "string with the task's id now.",
                    "See what is done with it there; django_q.tasks.fetch(id) gives the task.",
                )


_TASKS = "from celery import shared_task\n\n\n@shared_task\ndef send(order):\n    pass\n\n\n"

EXAMPLES = (
    Example(
        "a result that is returned",
        {"shop/tasks.py": _TASKS + "def view():\n    return send.delay(1)\n"},
        ("shop/tasks.py:10",),
    ),
    Example(
        "a result nobody takes, and one that stays here",
        {
            "shop/tasks.py": _TASKS + "def view():\n    send.delay(1)\n    job = send.delay(2)\n"
            "    print(job.id)\n"
        },
    ),
)
