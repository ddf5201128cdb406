"""The generated management command setup_schedules: its place and its text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from celery2q.context import Context
from celery2q.helper import template
from celery2q.schedules.model import Entry
from celery2q.tasks import constant

COMMAND = "management/commands/setup_schedules.py"


def existing(context: Context) -> list[str]:
    """The commands of that name that are there."""
    return [path for path in context.project.sorted_paths if path.endswith(COMMAND)]


def app_folder(context: Context, entries: Iterable[Entry]) -> str:
    """The folder of the installed app that gets the command.

    The app that the project names, else the installed app with most of the scheduled tasks.
    """
    if context.config.commands_app:
        source = context.project.by_module.get(context.config.commands_app)
        if source is not None:
            return source.path.rpartition("/")[0]
        return context.config.commands_app.replace(".", "/")
    installed = installed_apps(context)
    votes: Counter[str] = Counter()
    for entry in entries:
        parts = entry.func.split(".")
        for end in range(len(parts) - 1, 0, -1):
            name = ".".join(parts[:end])
            source = context.project.by_module.get(name)
            package = source is not None and source.name == "__init__.py"
            if package and (name in installed or (not installed and end == 1)):
                votes[name] += 1
                break
    if not votes:
        for name in sorted(installed):
            if name in context.project.by_module:
                votes[name] = 1
                break
    if not votes:
        return ""
    best = max(sorted(votes), key=lambda name: votes[name])
    return context.project.by_module[best].path.rpartition("/")[0]


def installed_apps(context: Context) -> set[str]:
    """Apps of the tree that INSTALLED_APPS names (an AppConfig's path counts for its app)."""
    found: set[str] = set()
    for setting in context.settings.all("INSTALLED_APPS"):
        for node in context_strings(setting.value):
            name = node
            while name and name not in context.project.by_module:
                name = name.rpartition(".")[0]
            if name and name.endswith(".apps"):
                name = name.removesuffix(".apps")
            if name:
                found.add(name)
    return found


def context_strings(node: object) -> list[str]:
    """The string literals in an expression."""
    import ast

    return [
        value
        for inner in ast.walk(node)  # type: ignore[arg-type]
        if isinstance(inner, ast.Constant) and isinstance(value := constant(inner), str)
    ]


def rows_source(context: Context, entries: Iterable[Entry]) -> str:
    """The entries as the rows of SCHEDULES; what cannot be said becomes a comment."""
    lines = []
    for entry in entries:
        if entry.timing is None or not entry.func:
            lines.append(f"    # {' '.join(f'{entry.name}: {entry.problem}'.split())}")
            continue
        parts = [f"name={_text(entry.name)}", f"func={_text(entry.func)}"]
        if entry.timing.kind == "minutes":
            parts.append(f"minutes={entry.timing.minutes}")
        else:
            mark = "f" if entry.timing.dynamic else ""
            parts.append(f"cron={mark}{_text(entry.timing.cron)}")
        if entry.args:
            parts.append(f"args={entry.args}")
        if entry.kwargs:
            parts.append(f"kwargs={entry.kwargs}")
        if cluster := cluster_of(context, entry):
            parts.append(f"cluster={_text(cluster)}")
        if limit := _limit(context, entry):
            parts.append(f"timeout={limit:g}")
        if not entry.enabled:
            parts.append("enabled=False")
        line = f"    Row({', '.join(parts)}),"
        if len(line) > 96:
            line = "\n".join(["    Row(", *(f"        {part}," for part in parts), "    ),"])
        lines.append(line)
    return "\n".join(lines) + "\n" if lines else ""


def cluster_of(context: Context, entry: Entry) -> str:
    """The entry's own queue, else its task's."""
    if entry.queue:
        return context.cluster(entry.queue)
    for task in context.registry.tasks.values():
        if task.path == entry.func:
            return context.cluster_of(task)
    return ""


def _limit(context: Context, entry: Entry) -> float | None:
    """The task's own time limit."""
    for task in context.registry.tasks.values():
        if task.path == entry.func:
            return task.time_limit
    return None


def _text(value: str) -> str:
    if not value.isprintable() or ('"' in value and "'" in value):
        return repr(value)
    escaped = value.replace("\\", "\\\\")
    return f"'{escaped}'" if '"' in escaped else f'"{escaped}"'


def command_source(context: Context, entries: list[Entry]) -> str:
    """The whole command."""
    dynamic = any(entry.timing is not None and entry.timing.dynamic for entry in entries)
    text = template("setup_schedules.py.tmpl")
    text = text.replace("    {rows}\n", rows_source(context, entries))
    return text if dynamic else text.replace("import os\n", "")
