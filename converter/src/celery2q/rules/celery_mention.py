"""Every other place where Celery is named: a comment, a document, a template, a setting.

It breaks nothing by itself, so it is a note; but nothing of Celery is left that no line of the
report shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level

RULE = "celery-mention"
NAMED = re.compile(r"celery|kombu", re.IGNORECASE)
#: What tasks are made and sent with; in code that can be read, other rules look after it.
SENT = re.compile(r"\bshared_task\b|\.apply_async\b|\.delay\(|\bdelay_on_commit\b")
OURS = re.compile(r"celery2q|celery_task_names", re.IGNORECASE)
QUIET = re.compile(r"(^|/)(change(s|log)|news|history|releases?|authors)[^/]*$", re.IGNORECASE)


def check(context: Context) -> Iterator[Finding]:
    """Find the lines."""
    for path in context.project.sorted_paths:
        source = context.tree.files[path]
        named = NAMED.search(source.text) or SENT.search(source.text)
        if not named or path.endswith("celery_task_names.json"):
            continue
        if source.name.endswith((".lock", ".po")) or QUIET.search(path):
            continue
        readable = source.is_python and context.project.index(path) is not None
        for number, line in enumerate(source.lines, 1):
            found = NAMED.search(OURS.sub("", line)) or SENT.search(
                line.partition("#")[2] if readable else line
            )
            if found:
                column = NAMED.search(line) or SENT.search(line)
                yield Finding(
                    RULE,
                    Level.NOTE,
                    path,
                    number,
                    (column.start() if column else 0) + 1,
                    f"Celery, or what it does, is named here: {line.strip()[:80]}",
                    "Look whether it still holds.",
                )


EXAMPLES = (
    Example(
        "a comment and a document",
        {"shop/__init__.py": "# for celery\n", "README.md": "Start\n\n    celery worker\n"},
        ("README.md:3", "shop/__init__.py:1"),
    ),
    Example("nothing of it", {"shop/__init__.py": "# celery2q: ignore[x] y\n"}),
)
