"""celery_task_names.json beside the settings: {Celery name: dotted path}.

A message that a release before sent and that is executed after carries the Celery name of its
task; what moves messages finds the function by this file. It is written once, while the tasks
are still Celery's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level, TextEdit

RULE = "task-names"
KIND = "schedules"
FILE = "celery_task_names.json"


def check(context: Context) -> Iterator[Finding]:
    """See whether every task is in the file."""
    names = context.registry.names
    if not names:
        return
    main = context.settings.main
    if main is not None:
        folder = main.path.rpartition("/")[0]
        at = main.path
    else:
        at = next(iter(context.registry.tasks.values())).module.path
        folder = at.split("/")[0] if "/" in at else ""
    path = f"{folder}/{FILE}" if folder else FILE
    source = context.tree.files.get(path)
    try:
        known = json.loads(source.text) if source is not None else {}
    except ValueError:
        known = {}
    if {**known, **names} == known:
        return
    text = json.dumps(dict(sorted({**known, **names}.items())), indent=2) + "\n"
    yield Finding(
        RULE,
        Level.WARNING,
        at,
        1,
        1,
        f"{len(names)} tasks have Celery names that queued messages carry.",
        f"Write them with their dotted paths to {path}.",
        (TextEdit(path, lambda _: text),),
    )


EXAMPLES = (
    Example(
        "tasks with and without a name of their own",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "INSTALLED_APPS = []\n",
            "shop/tasks.py": "from celery import shared_task\n\n\n@shared_task(name='one')\n"
            "def first():\n    pass\n\n\n@shared_task\ndef second():\n    pass\n",
        },
        ("shop/settings.py:1",),
        {
            "shop/celery_task_names.json": '{\n  "one": "shop.tasks.first",\n'
            '  "shop.tasks.second": "shop.tasks.second"\n}\n'
        },
    ),
    Example("no tasks", {"shop/__init__.py": "", "shop/settings.py": "INSTALLED_APPS = []\n"}),
)
