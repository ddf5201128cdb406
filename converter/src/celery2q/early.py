"""Modules that are loaded before Django's apps are ready, where django_q cannot be imported."""

from __future__ import annotations

import re
from collections.abc import Iterator

from celery2q.project import Project

_FROM = re.compile(r"^from\s+(\.*)([\w.]*)\s+import\s+(\([^)]*\)|[^\n#;]*)", re.MULTILINE)
_IMPORT = re.compile(r"^import\s+([^\n#;]+)", re.MULTILINE)


def early_modules(project: Project, settings: list[str]) -> set[str]:
    """Everything that settings, `apps.py` files and their packages import at their top.

    Importing `django_q.tasks` there raises AppRegistryNotReady, since it loads models. Celery
    had no such limit.

    Args:
        project: the index.
        settings: names of the settings modules.
    """
    queue = list(settings)
    for name, source in project.by_module.items():
        if source.name == "apps.py":
            queue += [name, name.rpartition(".")[0]]
    seen: set[str] = set()
    while queue:
        name = queue.pop()
        if name in seen or name not in project.by_module:
            continue
        seen.add(name)
        queue.extend(_imports(project, name))
    return seen


def _imports(project: Project, name: str) -> Iterator[str]:
    source = project.by_module[name]
    package = name.split(".")
    if source.name != "__init__.py":
        package = package[:-1]
    for dots, base, names in _FROM.findall(source.text):
        parts = package[: len(package) - len(dots) + 1] if dots else []
        module = ".".join([*parts, *([base] if base else [])])
        yield from _with_parents(module)
        for item in re.findall(r"(\w+)(?:\s+as\s+\w+)?", names):
            yield f"{module}.{item}"
    for names in _IMPORT.findall(source.text):
        for item in names.split(","):
            yield from _with_parents(item.strip().split(" ")[0])


def _with_parents(module: str) -> Iterator[str]:
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        yield ".".join(parts[:end])
