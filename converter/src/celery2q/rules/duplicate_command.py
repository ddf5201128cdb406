"""Two management commands of one name: the app that stands first in INSTALLED_APPS wins.

`setup_schedules` in two apps runs one of them, and nobody sees which.
"""

from __future__ import annotations

from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level

RULE = "duplicate-command"
FOLDER = "management/commands/"


def check(context: Context) -> Iterator[Finding]:
    """Find commands by their files."""
    seen: dict[str, str] = {}
    for path in context.project.sorted_paths:
        folder, found, name = path.rpartition(FOLDER)
        if not found or "/" in name or not name.endswith(".py") or name.startswith("_"):
            continue
        if name in seen:
            level = Level.ERROR if name == "setup_schedules.py" else Level.NOTE
            yield Finding(
                RULE,
                level,
                path,
                1,
                1,
                f"The command {name[:-3]} stands in {seen[name]} too; only one of them runs.",
                "Keep one, or give them two names.",
            )
        else:
            seen[name] = folder.rstrip("/")


EXAMPLES = (
    Example(
        "one name in two apps",
        {
            "a/management/commands/setup_schedules.py": "",
            "b/management/commands/setup_schedules.py": "",
        },
        ("b/management/commands/setup_schedules.py:1",),
    ),
    Example(
        "two names",
        {
            "a/management/commands/one.py": "",
            "b/management/commands/two.py": "",
            "b/management/commands/__init__.py": "",
            "a/management/commands/__init__.py": "",
        },
    ),
)
