"""The registry: Celery apps, tasks, task base classes and wrappers of a tree."""

from __future__ import annotations

import ast
from dataclasses import replace
from functools import cached_property

from celery2q.definitions import BaseClass, TaskDef, Wrapper, constant
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.project import Project

__all__ = ["BaseClass", "Registry", "TaskDef", "Wrapper", "constant"]

DECORATORS = frozenset(
    "celery.shared_task celery.app.shared_task celery.task.task celery.decorators.task "
    "celery.task.base.task celery.task.periodic_task celery.decorators.periodic_task "
    "celery.current_app.task celery.task celery.contrib.django.task.task".split()
)
TASK_CLASSES = frozenset(
    "celery.Task celery.app.task.Task celery.task.Task celery.task.base.Task "
    "celery.contrib.django.task.DjangoTask celery.current_app.Task "
    "celery.contrib.abortable.AbortableTask".split()
)
APP_CLASSES = frozenset(("celery.Celery", "celery.app.Celery", "celery.app.base.Celery"))


class Registry:
    """Everything of Celery that a project defines; built at once from its index."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.apps: set[str] = set()
        self.app_modules: set[str] = set()
        self.tasks: dict[str, TaskDef] = {}
        self.bases: dict[str, BaseClass] = {}
        self.wrappers: dict[str, Wrapper] = {}
        modules = list(project.modules)
        self._find_apps(modules)
        self._find_bases(modules)
        self._find_wrappers(modules)
        special = {path.rsplit(".", 1)[1] for path in (*self.wrappers, *self.bases) if "." in path}
        self.modules = modules + (more := project.related(special))
        self._find_bases(more)
        for module in self.modules:
            self._find_tasks(module)

    # -- apps -------------------------------------------------------------------------------

    def _find_apps(self, modules: list[ModuleIndex]) -> None:
        for module in modules:
            for name, found in module.top.items():
                if (
                    found.kind == "assign"
                    and isinstance(found.node, ast.Call)
                    and self.is_app_class(module, found.node.func)
                ):
                    self._add_app(module, name)
            for call in module.calls:
                func = call.func
                if (
                    isinstance(func, ast.Attribute)
                    and func.attr in ("config_from_object", "autodiscover_tasks")
                    and isinstance(func.value, ast.Name)
                    and (bound := module.top.get(func.value.id))
                    and bound.kind == "assign"
                ):
                    self._add_app(module, func.value.id)

    def _add_app(self, module: ModuleIndex, name: str) -> None:
        self.apps.add(f"{module.name}.{name}")
        self.app_modules.add(module.name)

    def is_app_class(self, module: ModuleIndex, node: ast.AST) -> bool:
        """Whether an expression is the class Celery or a subclass in the tree."""
        dotted = self.project.resolve(module, node)
        if dotted in APP_CLASSES:
            return True
        found = self.project.definition(dotted) if dotted else None
        if found and isinstance(found[1].node, ast.ClassDef):
            return any(
                self.project.resolve(found[0], base) in APP_CLASSES for base in found[1].node.bases
            )
        return False

    def is_app(self, module: ModuleIndex, node: ast.AST) -> bool:
        """Whether an expression is a Celery app."""
        dotted = self.project.resolve(module, node)
        return dotted in self.apps or dotted in ("celery.current_app", "celery.app.current_app")

    # -- base classes -----------------------------------------------------------------------

    def is_task_class(self, module: ModuleIndex, node: ast.AST) -> bool:
        """Whether an expression is Celery's Task class (of the library or of an app)."""
        if self.project.resolve(module, node) in TASK_CLASSES:
            return True
        return (
            isinstance(node, ast.Attribute)
            and node.attr == "Task"
            and self.is_app(module, node.value)
        )

    def _find_bases(self, modules: list[ModuleIndex]) -> None:
        pending = [(module, node) for module in modules for node in module.classes]
        found = True
        while found:
            found = False
            for module, node in list(pending):
                parents = [self.base_of(module, base) for base in node.bases]
                direct = any(self.is_task_class(module, base) for base in node.bases)
                if direct or any(parents):
                    self._add_base(module, node, [base for base in parents if base])
                    pending.remove((module, node))
                    found = True

    def _add_base(self, module: ModuleIndex, node: ast.ClassDef, parents: list[BaseClass]) -> None:
        path = f"{module.name}.{module.qualname(node)}"
        methods = {item.name: item for item in node.body if isinstance(item, FUNCTIONS)}
        sends = [methods[name] for name in ("apply_async", "delay") if name in methods]
        commits = [method for method in sends if _only_on_commit(method)]
        self.bases[path] = BaseClass(
            path,
            module,
            node,
            frozenset(methods),
            on_commit=bool(commits) or any(base.on_commit for base in parents),
            opaque=len(commits) < len(sends) or any(base.opaque for base in parents),
        )

    def base_of(self, module: ModuleIndex, node: ast.AST | None) -> BaseClass | None:
        """The project's own base class that an expression names."""
        dotted = self.project.resolve(module, node) if node is not None else None
        return self.bases.get(dotted or "")

    # -- wrappers ---------------------------------------------------------------------------

    def _find_wrappers(self, modules: list[ModuleIndex]) -> None:
        for module in modules:
            for node in module.functions:
                if isinstance(module.parents.get(node), ast.Module):
                    self._try_wrapper(module, node)

    def _try_wrapper(
        self, module: ModuleIndex, node: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> None:
        if any(self.is_decorator(module, decorator) for decorator in node.decorator_list):
            return
        makers = [
            inner
            for inner in ast.walk(node)
            if isinstance(inner, ast.Call) and self.is_decorator(module, inner)
        ]
        inners = [
            inner
            for inner in ast.walk(node)
            if isinstance(inner, FUNCTIONS)
            and any(self.is_decorator(module, deco) for deco in inner.decorator_list)
        ]
        returns = [
            statement.value for statement in ast.walk(node) if isinstance(statement, ast.Return)
        ]
        path = f"{module.name}.{node.name}"
        if inners:
            returned = {value.id for value in returns if isinstance(value, ast.Name)}
            kind = "inner" if all(inner.name in returned for inner in inners) else "other"
            if kind == "inner" or len(returns) > 1:
                self.wrappers[path] = Wrapper(path, kind, module, node, {})
        elif makers and any(value in makers for value in returns):
            options = {k.arg: k.value for k in makers[0].keywords if k.arg}
            self.wrappers[path] = Wrapper(path, "options", module, node, options)
        elif makers and any(
            isinstance(value, ast.Call) and value.func in makers for value in returns
        ):
            self.wrappers[path] = Wrapper(path, "other", module, node, {})

    # -- tasks ------------------------------------------------------------------------------

    def is_decorator(self, module: ModuleIndex, node: ast.AST) -> bool:
        """Whether an expression is one of Celery's task decorators, called or not."""
        func = node.func if isinstance(node, ast.Call) else node
        if self.project.resolve(module, func) in DECORATORS:
            return True
        return (
            isinstance(func, ast.Attribute)
            and func.attr in ("task", "periodic_task")
            and self.is_app(module, func.value)
        )

    def wrapper_of(self, module: ModuleIndex, node: ast.AST) -> Wrapper | None:
        """The project's own wrapper that a decorator is."""
        func = node.func if isinstance(node, ast.Call) else node
        return self.wrappers.get(self.project.resolve(module, func) or "")

    def _find_tasks(self, module: ModuleIndex) -> None:
        inside = {
            inner
            for wrapper in self.wrappers.values()
            if wrapper.module is module
            for inner in ast.walk(wrapper.node)
        }
        for node in module.functions:
            for decorator in node.decorator_list:
                wrapper = self.wrapper_of(module, decorator)
                if (wrapper or self.is_decorator(module, decorator)) and node not in inside:
                    self._add_task(module, node, decorator, wrapper)
                    break
        for name, found in module.top.items():
            if found.kind == "assign" and isinstance(found.node, ast.Call):
                self._add_instance(module, name, found.node)
        for base in list(self.bases.values()):
            if base.module is module and "run" in base.hooks:
                self._add_class(base)

    def _add_task(
        self,
        module: ModuleIndex,
        node: ast.FunctionDef | ast.AsyncFunctionDef,
        decorator: ast.expr,
        wrapper: Wrapper | None,
    ) -> None:
        keywords = decorator.keywords if isinstance(decorator, ast.Call) else []
        options = dict(wrapper.options) if wrapper else {}
        options.update({keyword.arg: keyword.value for keyword in keywords if keyword.arg})
        path = f"{module.name}.{module.qualname(node)}"
        task = TaskDef(
            path,
            f"{module.name}.{node.name}",
            module,
            node,
            decorator=decorator,
            options=options,
            spread=any(keyword.arg is None for keyword in keywords),
            nested=not isinstance(module.parents.get(node), ast.Module)
            and any(isinstance(scope, FUNCTIONS) for scope in module.scopes_of(node)),
            wrapper=wrapper,
        )
        name = task.option("name")
        base = self.base_of(module, options.get("base"))
        self.tasks[path] = replace(
            task, base=base, celery_name=name if isinstance(name, str) else task.celery_name
        )

    def _add_instance(self, module: ModuleIndex, name: str, call: ast.Call) -> None:
        """`name = app.register_task(Class())` and `name = Class()` of a class with run."""
        func = call.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr == "register_task"
            and self.is_app(module, func.value)
            and call.args
        ):
            inner = call.args[0]
            made = inner.func if isinstance(inner, ast.Call) else inner
        else:
            made = func
        base = self.base_of(module, made)
        if base is None or "run" not in base.hooks:
            return
        path = f"{module.name}.{name}"
        self.tasks[path] = TaskDef(
            path, _class_name(base), base.module, base.node, kind="instance", base=base
        )

    def _add_class(self, base: BaseClass) -> None:
        self.tasks.setdefault(
            base.path,
            TaskDef(
                f"{base.path}.execute",
                _class_name(base),
                base.module,
                base.node,
                kind="class",
                base=base,
            ),
        )

    def task_at(self, module: ModuleIndex, node: ast.AST) -> TaskDef | None:
        """The task that an expression names (also `Class()`, a fresh task object)."""
        if isinstance(node, ast.Call) and not node.args and not node.keywords:
            found = self.task_at(module, node.func)
            return found if found is not None and found.kind == "class" else None
        dotted = self.project.resolve(module, node)
        found = self.tasks.get(dotted or "")
        return found if found is not None and not found.nested else None

    @cached_property
    def by_node(self) -> dict[ast.AST, TaskDef]:
        """The tasks by the definition that they are made of."""
        return {task.node: task for task in self.tasks.values()}

    @cached_property
    def names(self) -> dict[str, str]:
        """{Celery name: dotted path} of every task that can be imported."""
        return {
            task.celery_name: task.path
            for task in sorted(self.tasks.values(), key=lambda task: task.path)
            if not task.nested
        }


def _class_name(base: BaseClass) -> str:
    for item in base.node.body:
        if (
            isinstance(item, ast.Assign)
            and isinstance(item.targets[0], ast.Name)
            and item.targets[0].id == "name"
            and isinstance(name := constant(item.value), str)
        ):
            return name
    return base.path


def _only_on_commit(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a method does nothing but `on_commit(lambda: super().method(…))`."""
    body = [
        item
        for item in method.body
        if not (isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant))
    ]
    if len(body) != 1 or not isinstance(body[0], ast.Expr | ast.Return):
        return False
    call = body[0].value
    if not isinstance(call, ast.Call) or len(call.args) != 1:
        return False
    text = ast.unparse(call)
    return "on_commit" in ast.unparse(call.func) and "super(" in text and f".{method.name}" in text
