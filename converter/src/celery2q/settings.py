"""The settings modules of a tree: Celery's settings, Q_CLUSTER, routes, installed apps."""

from __future__ import annotations

import ast
import fnmatch
import re
from dataclasses import dataclass
from functools import cached_property

from celery2q.index import ModuleIndex
from celery2q.project import Project
from celery2q.tasks import TaskDef, constant

CELERY_SETTING = re.compile(
    r"^(?:CELERY(?:D|BEAT)?_[A-Z0-9_]+|BROKER_(?:URL|TRANSPORT\w*|POOL\w*))$"
)


@dataclass(frozen=True, eq=False)
class Setting:
    """One assignment of a settings module (possibly inside an `if`)."""

    name: str
    module: ModuleIndex
    statement: ast.stmt
    value: ast.expr


class Settings:
    """What the settings modules of a project say.

    Args:
        project: the index of the tree.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.assignments: list[Setting] = []
        #: `Q_CLUSTER["key"] = value`, the key as the name.
        self.changes: list[Setting] = []
        for module in project.modules:
            if self._is_settings(module):
                self._collect(module)

    def _is_settings(self, module: ModuleIndex) -> bool:
        if any(name in module.top for name in ("INSTALLED_APPS", "Q_CLUSTER")):
            return True
        return "settings" in module.path.lower() and any(
            CELERY_SETTING.match(name) for name in module.top
        )

    def _collect(self, module: ModuleIndex) -> None:
        for node in ast.walk(module.tree):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AnnAssign | ast.AugAssign):
                targets = [node.target]
            for target in targets:
                if (
                    isinstance(target, ast.Name)
                    and target.id.isupper()
                    and getattr(node, "value", None) is not None
                    and next(module.scopes_of(node)) is module.tree
                ):
                    self.assignments.append(
                        Setting(target.id, module, node, node.value)  # type: ignore[arg-type]
                    )
            if len(targets) == 1 and module.parents[node] is module.tree:
                self._collect_change(module, node, targets[0])
        self.assignments.sort(key=lambda item: (item.module.path, item.statement.lineno))

    def _collect_change(self, module: ModuleIndex, node: ast.AST, target: ast.expr) -> None:
        if (
            isinstance(node, ast.Assign)
            and isinstance(target, ast.Subscript)
            and isinstance(target.value, ast.Name)
            and target.value.id == "Q_CLUSTER"
            and isinstance(key := constant(target.slice), str)
        ):
            self.changes.append(Setting(key, module, node, node.value))

    def all(self, name: str) -> list[Setting]:
        """Every assignment of a setting."""
        return [item for item in self.assignments if item.name == name]

    @property
    def celery(self) -> list[Setting]:
        """Every assignment of one of Celery's settings."""
        return [item for item in self.assignments if CELERY_SETTING.match(item.name)]

    @cached_property
    def module_names(self) -> list[str]:
        """Names of the settings modules, the main one first."""
        main = self.main
        names = {item.module.name for item in self.assignments}
        rest = sorted(names - ({main.name} if main else set()))
        return ([main.name] if main else []) + rest

    @cached_property
    def main(self) -> ModuleIndex | None:
        """The settings module that Q_CLUSTER belongs into."""
        project = self.project
        if project.config.settings:
            return project.module(project.config.settings)
        existing = self.all("Q_CLUSTER")
        if existing:
            return existing[0].module
        apps = [item.module for item in self.all("INSTALLED_APPS")]
        named = self._named_by_manage()
        for module in apps:
            if module.name == named:
                return module
        weight: dict[str, int] = {}
        for item in self.celery:
            weight[item.module.name] = weight.get(item.module.name, 0) + 1
        ordered = sorted(
            apps or [item.module for item in self.celery],
            key=lambda module: (
                "test" in module.name,
                "example" in module.name,
                -weight.get(module.name, 0),
                len(module.name),
            ),
        )
        return ordered[0] if ordered else None

    @cached_property
    def whole(self) -> list[ModuleIndex]:
        """The settings modules that stand on their own: the main one, and others like it.

        A project may ship several (for Docker, as an example); each lists INSTALLED_APPS itself
        and has settings of Celery's.
        """
        celery = {item.module.name for item in self.celery}
        found = [self.main] if self.main is not None else []
        for item in self.all("INSTALLED_APPS"):
            plain = isinstance(item.statement, ast.Assign) and isinstance(
                item.value, ast.List | ast.Tuple
            )
            if plain and item.module.name in celery and item.module not in found:
                found.append(item.module)
        return found

    def _named_by_manage(self) -> str | None:
        for path in ("manage.py", "src/manage.py"):
            source = self.project.tree.files.get(path)
            if source is not None:
                found = re.search(r"DJANGO_SETTINGS_MODULE['\"],\s*['\"]([\w.]+)", source.text)
                if found:
                    return found.group(1)
        return None

    @cached_property
    def routes(self) -> list[tuple[str, str]]:
        """(task name or pattern, queue) pairs of static routes."""
        found: list[tuple[str, str]] = []
        for item in self.celery:
            if not item.name.endswith("TASK_ROUTES") and item.name != "CELERY_ROUTES":
                continue
            for mapping in [item.value] if isinstance(item.value, ast.Dict) else []:
                for key, value in zip(mapping.keys, mapping.values, strict=True):
                    pattern = constant(key)
                    route = constant(value)
                    queue = route.get("queue") if isinstance(route, dict) else route
                    if isinstance(pattern, str) and isinstance(queue, str):
                        found.append((pattern, queue))
        return found

    def queue_of(self, task: TaskDef) -> str | None:
        """The queue of a task: its decorator's, else the first route that fits its name."""
        if task.queue:
            return task.queue
        for pattern, queue in self.routes:
            if fnmatch.fnmatchcase(task.celery_name, pattern):
                return queue
        return None

    @cached_property
    def default_queue(self) -> str | None:
        """CELERY_TASK_DEFAULT_QUEUE, where it is a literal."""
        for item in self.celery:
            if item.name in ("CELERY_TASK_DEFAULT_QUEUE", "CELERY_DEFAULT_QUEUE"):
                value = constant(item.value)
                if isinstance(value, str):
                    return value
        return None
