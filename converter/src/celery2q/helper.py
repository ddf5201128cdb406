"""Where the generated helper stands, and its text."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery2q.context import Context

NAME = "q_tasks"
MARK = "celery2q: generated helper"


def template(name: str) -> str:
    """A template's text."""
    return resources.files("celery2q").joinpath("templates", name).read_text("utf-8")


def helper_module(context: Context) -> str:
    """Dotted name of the helper: the one that is there, else beside the Celery app."""
    if context.config.helper:
        return context.config.helper
    for name, source in sorted(context.project.by_module.items()):
        if name.rsplit(".", 1)[-1] == NAME and MARK in source.text:
            return name
    places = sorted(context.registry.app_modules, key=lambda name: (name.count("."), name))
    places = [name for name in places if "." in name] or [
        name for name in context.settings.module_names if "." in name
    ]
    if not places and context.registry.tasks:
        first = min(context.registry.tasks)
        return f"{first.split('.')[0]}.{NAME}"
    if not places:
        packages = [
            name
            for name, source in context.project.by_module.items()
            if source.name == "__init__.py" and "test" not in name
        ]
        shortest = min(packages, key=lambda name: (name.count("."), name), default="")
        return f"{shortest}.{NAME}" if shortest else NAME
    package = places[0].rsplit(".", 1)[0]
    source = context.project.by_module.get(package)
    if package and source is not None and source.name != "__init__.py":
        package = package.rsplit(".", 1)[0]
    return f"{package}.{NAME}" if package else NAME


def helper_path(context: Context) -> str:
    """The helper's file."""
    name = context.helper
    source = context.project.by_module.get(name)
    if source is not None:
        return source.path
    package = name.rpartition(".")[0]
    parent = context.project.by_module.get(package)
    if parent is not None and parent.name == "__init__.py":
        return f"{parent.path.rsplit('/', 1)[0]}/{NAME}.py"
    for path, module in context.project.module_names.items():
        if module.rpartition(".")[0] == package and package:
            return f"{path.rsplit('/', 1)[0]}/{NAME}.py"
    return f"{name.replace('.', '/')}.py"


def helper_source(context: Context) -> str:
    """The helper's text, with the tree's queues filled in."""
    from celery2q.qcluster import literal, queues

    names = sorted({*queues(context), *context.config.clusters})
    clusters = {name: context.cluster(name) for name in names}
    tasks = {
        task.path: cluster
        for task in sorted(context.registry.tasks.values(), key=lambda task: task.path)
        if (cluster := context.cluster_of(task))
    }
    text = template("q_tasks.py.tmpl")
    return text.replace("{clusters}", _lines(clusters, literal)).replace(
        "{task_clusters}", _lines(tasks, literal)
    )


def _lines(values: dict[str, str], literal) -> str:
    if not values:
        return "{}"
    rows = "".join(f"    {literal(key)}: {literal(value)},\n" for key, value in values.items())
    return f"{{\n{rows}}}"
