"""What rules work with: the project, its tasks, and the way to report."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType

from celery2q.config import Config
from celery2q.findings import Edit, Finding, Level, TextEdit
from celery2q.index import ModuleIndex
from celery2q.project import Project
from celery2q.sources import Source, Tree
from celery2q.tasks import Registry, TaskDef


@dataclass(frozen=True)
class Example:
    """One row of a rule's table: what it must find, what it must make, what it must leave.

    Attributes:
        title: what the row shows.
        files: {path: text} of the tree.
        finds: "path:line" of every finding of the rule, in order.
        after: {path: text} of the files it must change (None: removed); others must stay.
    """

    title: str
    files: dict[str, str]
    finds: tuple[str, ...] = ()
    after: dict[str, str | None] = field(default_factory=dict)


class Context:
    """One tree under examination."""

    def __init__(
        self, tree: Tree, config: Config | None = None, before: Context | None = None
    ) -> None:
        self.tree = tree
        self.project = Project(tree, config, before.project if before else None)
        self.registry = Registry(self.project)

    @property
    def config(self) -> Config:
        """The project's own choices."""
        return self.project.config

    @property
    def modules(self) -> list[ModuleIndex]:
        """The modules that rules look at."""
        return self.registry.modules

    @cached_property
    def settings(self):
        """The settings modules, found on first use."""
        from celery2q.settings import Settings

        return Settings(self.project)

    @cached_property
    def beat(self):
        """The places where beat's schedule is defined, found on first use."""
        from celery2q.schedules.find import places

        return places(self)

    @cached_property
    def helper(self) -> str:
        """Dotted name of the generated helper module."""
        from celery2q.helper import helper_module

        return helper_module(self)

    @cached_property
    def early(self) -> set[str]:
        """Modules that are loaded before Django's apps are ready."""
        from celery2q.early import early_modules

        return early_modules(self.project, self.settings.module_names)

    def home(self, function: str, module: ModuleIndex) -> str:
        """The module that a sending function is imported from in a module.

        `async_task` is Django-Q2's own, except where that cannot be imported yet.
        """
        if function == "async_task" and module.name not in self.early:
            return "django_q.tasks"
        return self.helper

    def cluster(self, queue: str | None) -> str:
        """The Django-Q cluster for a Celery queue; "" for the default one."""
        return "" if queue == self.settings.default_queue else self.config.cluster(queue)

    def cluster_of(self, task: TaskDef) -> str:
        """The cluster that a task's own queue names."""
        return self.cluster(self.settings.queue_of(task))

    def texts(self) -> Iterator[Source]:
        """Every file that is no Python, in path order."""
        for path in self.project.sorted_paths:
            if not self.tree.files[path].is_python:
                yield self.tree.files[path]

    def at(
        self,
        rule: str,
        level: Level,
        module: ModuleIndex,
        node: ast.AST,
        message: str,
        fix: str,
        edits: Iterable[Edit | TextEdit] = (),
    ) -> Finding:
        """A finding at a node of a module."""
        return Finding(
            rule,
            level,
            module.path,
            node.lineno,
            module.column(node) + 1,  # type: ignore[attr-defined]
            message,
            fix,
            tuple(edits),
        )


#: Kinds of change in the order in which they can be made one after the other: a call is known
#: by its task's decorator, a cluster by Celery's settings.
KINDS = ("calls", "schedules", "settings", "tasks", "requirements")


@dataclass(frozen=True)
class Rule:
    """A rule module, checked for the names every rule must have."""

    id: str
    doc: str
    module: ModuleType

    @property
    def summary(self) -> str:
        """First line of its documentation."""
        return self.doc.strip().splitlines()[0]

    @property
    def kind(self) -> str:
        """The kind of change it makes; "" for a rule that changes nothing."""
        return getattr(self.module, "KIND", "")

    @property
    def examples(self) -> tuple[Example, ...]:
        """Its table."""
        return tuple(self.module.EXAMPLES)

    def run(self, context: Context) -> Iterator[Finding]:
        """Everything it finds in a tree."""
        yield from self.module.check(context)


def all_rules() -> list[Rule]:
    """Every module of `celery2q.rules`, by id; a new file there is a new rule."""
    from celery2q import rules

    found = []
    for info in pkgutil.iter_modules(rules.__path__):
        if not info.name.startswith(("_", "test_")):
            module = importlib.import_module(f"{rules.__name__}.{info.name}")
            found.append(Rule(info.name.replace("_", "-"), module.__doc__ or "", module))
    return sorted(found, key=lambda rule: rule.id)
