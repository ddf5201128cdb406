"""Beat's schedule becomes rows of the generated command setup_schedules.

Every entry that Django-Q2 can say gets a row under its own name, with the same cron fields
(checked against Celery's own parser) or whole minutes. What it cannot say is a finding with
advice: both days restricted, seconds, solar, arguments that are no literals.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level, TextEdit
from celery2q.schedules.find import Place
from celery2q.schedules.model import Entry
from celery2q.schedules.read import LOST
from celery2q.setup_schedules import COMMAND, app_folder, command_source, existing

RULE = "beat-schedule"
KIND = "schedules"


def check(context: Context) -> Iterator[Finding]:
    """Find the entries of beat."""
    found = context.beat
    entries = [entry for place in found for entry in place.entries]
    commands = _commands(context, entries) if entries else []
    for place in found:
        edits: list[Edit | TextEdit] = [*_removed(place), *commands] if place.removable else []
        for number, entry in enumerate(place.entries):
            yield from _entry(context, place, entry, edits if number == 0 else commands)


def _entry(
    context: Context, place: Place, entry: Entry, edits: list[Edit | TextEdit]
) -> Iterator[Finding]:
    good = entry.timing is not None and bool(entry.func)
    message = f"Beat sends {entry.task or 'a task'} as {entry.name!r}"
    if good and place.removable:
        message += ", which runs no more without beat."
        fix = "Make it a row of setup_schedules."
    elif good:
        message += ", in code that does more than that or under a condition."
        fix, edits = "Move it into setup_schedules by hand.", []
    else:
        message, edits = f"{message}, which Django-Q2 cannot do: {entry.problem}", []
        fix = "Say it in another way, then run the conversion again."
    yield Finding(
        RULE, Level.ERROR, entry.path, entry.line, entry.column, message, fix, tuple(edits)
    )
    for name in entry.lost:
        yield Finding(
            RULE,
            Level.WARNING,
            entry.path,
            entry.line,
            entry.column,
            f"The entry {entry.name!r} has {name}=; under Django-Q2 {LOST[name]}.",
            "Make the task stand it.",
        )


def _removed(place: Place) -> list[Edit]:
    node = place.statement
    names = tuple(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
    if isinstance(node, ast.FunctionDef):
        return [
            place.module.edit("FunctionDef", node, lambda _: cst.RemoveFromParent(), drops=names)
        ]
    return [
        Edit(
            "SimpleStatementLine",
            node.lineno,
            place.module.column(node),
            lambda _: cst.RemoveFromParent(),
            drops=names,
        )
    ]


def _commands(context: Context, entries: list[Entry]) -> list[Edit | TextEdit]:
    """The edits that make the command and the packages it stands in."""
    if existing(context):
        return []
    folder = app_folder(context, entries)
    if not folder:
        return []
    texts = command_source(context, entries)
    parts = [f"{folder}/management/__init__.py", f"{folder}/management/commands/__init__.py"]
    made = [TextEdit(path, lambda text: text) for path in parts if path not in context.tree.files]
    return [*made, TextEdit(f"{folder}/{COMMAND}", lambda text: text or texts)]


_APP = "from celery import Celery\nfrom celery.schedules import crontab\n\napp = Celery('shop')\n"
_TASKS = "from celery import shared_task\n\n\n@shared_task\ndef send(order=1):\n    pass\n"

EXAMPLES = (
    Example(
        "what Django-Q2 cannot say",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/celery.py": _APP + "app.conf.beat_schedule = {\n"
            "    'both': {'task': 'shop.tasks.send', 'schedule': crontab(0, 0, 'mon', '1-7')},\n"
            "    'fast': {'task': 'shop.tasks.send', 'schedule': 15.0},\n"
            "    'gone': {'task': 'shop.tasks.gone', 'schedule': 60},\n}\n",
        },
        ("shop/celery.py:6", "shop/celery.py:7", "shop/celery.py:8"),
    ),
    Example(
        "a schedule of no beat",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/a.py": "import celery\n\nthing.conf.beat_schedule = {'a': {'schedule': 1}}\n",
        },
    ),
)
