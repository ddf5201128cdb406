"""Options of a sending that Django-Q2 has nothing for: priority, expires, headers and the like.

The call is converted without them; this warning is what is left of them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.send import LOST, values_of

RULE = "call-option"
ONCE = True


def check(context: Context) -> Iterator[Finding]:
    """Find them in calls of apply_async."""
    for module in context.modules:
        for call in module.calls:
            func = call.func
            if not (isinstance(func, ast.Attribute) and func.attr == "apply_async"):
                continue
            lost = [keyword for keyword in call.keywords if keyword.arg in LOST]
            if not lost or not values_of(context, module, func.value):
                continue
            for keyword in lost:
                yield context.at(
                    RULE,
                    Level.WARNING,
                    module,
                    keyword.value,
                    f"{keyword.arg}= is lost: {LOST[keyword.arg or '']}.",
                    "See that the task stands it, or check it at its start.",
                )


_TASKS = "from celery import shared_task\n\n\n@shared_task\ndef send(order):\n    pass\n\n\n"

EXAMPLES = (
    Example(
        "priority and expires",
        {"shop/tasks.py": _TASKS + "send.apply_async((1,), priority=3, expires=60, countdown=1)\n"},
        ("shop/tasks.py:9", "shop/tasks.py:9"),
    ),
    Example("a call of something else", {"shop/a.py": "# celery\nx.apply_async(priority=3)\n"}),
)
