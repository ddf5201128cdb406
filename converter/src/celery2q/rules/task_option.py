"""Options of a task that Django-Q2 has nothing for: rate_limit, acks_late, soft_time_limit.

Celery acknowledges a task before it runs unless acks_late says otherwise; Django-Q2 always
acknowledges after, so a task whose worker dies is run again after `retry` seconds.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level

RULE = "task-option"
ONCE = True
LOST = {
    "rate_limit": "nothing limits how often it runs; use a cluster of its own with one worker",
    "soft_time_limit": "there is only the hard timeout, which raises TimeoutException in the task",
    "priority": "the queue has no priorities; use a cluster of its own",
    "expires": "it runs however late it is; check the time at its start",
    "acks_late": "every task is acknowledged after it ran; a task whose worker dies runs again "
    "after Q_CLUSTER['retry'] seconds",
    "reject_on_worker_lost": "a task whose worker dies runs again after Q_CLUSTER['retry'] seconds",
    "before_start": "the hook is not called",
    "on_failure": "the hook is not called; make it a method of a base class",
    "on_success": "the hook is not called; make it a method of a base class",
}
#: What stays as it was in effect.
SAME = frozenset(("acks_late",))


def check(context: Context) -> Iterator[Finding]:
    """Find them in decorators."""
    for task in context.registry.tasks.values():
        for name, value in task.options.items():
            if name not in LOST or task.decorator is None:
                continue
            if isinstance(value, ast.Constant) and not value.value:
                continue
            level = Level.NOTE if name in SAME else Level.WARNING
            yield context.at(
                RULE,
                level,
                task.module,
                task.decorator,
                f"{task.path} has {name}=: {LOST[name]}.",
                "See that the task stands it.",
            )


EXAMPLES = (
    Example(
        "limits",
        {
            "shop/tasks.py": "from celery import shared_task\n\n\n"
            "@shared_task(rate_limit='1/m', soft_time_limit=3, acks_late=True)\n"
            "def a():\n    pass\n"
        },
        ("shop/tasks.py:4", "shop/tasks.py:4", "shop/tasks.py:4"),
    ),
    Example(
        "options without an effect",
        {
            "shop/tasks.py": "from celery import shared_task\n\n\n"
            "@shared_task(ignore_result=True, acks_late=False)\ndef a():\n    pass\n"
        },
    ),
)
