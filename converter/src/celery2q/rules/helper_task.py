"""What Celery's tasks know of themselves and the helper's do not: progress, backend, app and more.

A task that uses `self`, is retried or has a base class becomes one of the helper's. It has `run`,
`retry`, `request` and the hooks; `update_state`, `app`, `backend`, `apply`, signatures and most of
the request are Celery's alone, inside of the task as outside. So are options of `retry` that the
helper does not know.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.definitions import BaseClass
from celery2q.findings import Finding, Level
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.tasks import constant

RULE = "helper-task"
#: Attributes of Celery's Task that the helper's does not have.
CELERYS = frozenset(
    "update_state app backend AsyncResult apply s si signature subtask signature_from_request "
    "subtask_from_request map starmap chunks replace add_to_chord add_trail send_event "
    "delay_on_commit apply_async_on_commit push_request pop_request request_stack rate_limit "
    "time_limit soft_time_limit expires priority acks_late track_started ignore_result serializer "
    "from_config Strategy abort is_aborted".split()
)
#: What the helper's request knows.
REQUEST = frozenset(
    "task id task_id root_id correlation_id retries args kwargs called_directly is_eager headers "
    "delivery_info get".split()
)
RETRY = frozenset("args kwargs exc throw eta countdown max_retries queue time_limit".split())
#: What stands for something that is gone.
FIXES = {
    "apply": "Call the task: it runs here and now, and raises what it raises.",
    "update_state": "Keep the progress in the cache or in a model, under self.request.id.",
    "AsyncResult": "Ask django_q.tasks.fetch for the task's row.",
    "delay_on_commit": "Write transaction.on_commit(partial(enqueue, task, …)).",
}


def check(context: Context) -> Iterator[Finding]:
    """Find the uses."""
    for module in context.modules:
        if module.name == context.helper:
            continue
        for node in module.functions:
            base = _bound_base(context, module, node)
            if base is not None:
                yield from _inside(context, module, node, _names(context, base))
        for kind in module.classes:
            if is_task_class(context, module, kind):
                own = set(module.scopes[kind]) | _names(context, _base_of(context, module, kind))
                for item in kind.body:
                    if isinstance(item, FUNCTIONS):
                        yield from _inside(context, module, item, own)
        for attribute in module.attributes:
            finding = _outside(context, module, attribute)
            if finding is not None:
                yield finding


def _bound_base(
    context: Context, module: ModuleIndex, node: ast.FunctionDef | ast.AsyncFunctionDef
) -> BaseClass | bool | None:
    """The base class of a function that gets its task as first argument; False for none."""
    task = context.registry.by_node.get(node)
    if task is not None:
        return (task.base or False) if task.bind else None
    decorator = _helper_decorator(context, module, node)
    if isinstance(decorator, ast.Call):
        named = {keyword.arg: keyword.value for keyword in decorator.keywords}
        if constant(named.get("bind")) is True:
            return context.registry.base_of(module, named.get("base")) or False
    return None


def is_own_task(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    """Whether an expression is the task that a function of the helper's gets as first argument."""
    for scope in module.scopes_of(node):
        if isinstance(scope, FUNCTIONS):
            arguments = [*scope.args.posonlyargs, *scope.args.args]
            if arguments and _is(node, arguments[0].arg):
                return _bound_base(context, module, scope) is not None
    return False


def _helper_decorator(
    context: Context, module: ModuleIndex, node: ast.FunctionDef | ast.AsyncFunctionDef
) -> ast.expr | None:
    for decorator in node.decorator_list:
        func = decorator.func if isinstance(decorator, ast.Call) else decorator
        if (context.project.resolve(module, func) or "").endswith(".q_task"):
            return decorator
    return None


def is_task_class(
    context: Context, module: ModuleIndex, node: ast.ClassDef, depth: int = 0
) -> bool:
    """Whether a class is one of tasks, Celery's or the helper's."""
    if f"{module.name}.{module.qualname(node)}" in context.registry.bases:
        return True
    for base in node.bases:
        dotted = context.project.resolve(module, base) or ""
        if dotted.endswith(".QTask"):
            return True
        found = context.project.definition(dotted) if dotted and depth < 5 else None
        if found is not None and isinstance(found[1].node, ast.ClassDef):
            if is_task_class(context, found[0], found[1].node, depth + 1):
                return True
    return False


def _base_of(context: Context, module: ModuleIndex, node: ast.ClassDef) -> BaseClass | None:
    return context.registry.bases.get(f"{module.name}.{module.qualname(node)}")


def _names(context: Context, base: BaseClass | bool | None) -> set[str]:
    """What a base class of the tree and its own bases define."""
    if not isinstance(base, BaseClass):
        return set()
    found = set(base.module.scopes[base.node])
    for parent in base.node.bases:
        other = context.registry.base_of(base.module, parent)
        if other is not None and other is not base:
            found |= _names(context, other)
    return found


def _inside(
    context: Context,
    module: ModuleIndex,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    own: set[str],
) -> Iterator[Finding]:
    """What a function asks of its first argument, its task."""
    arguments = [*node.args.posonlyargs, *node.args.args]
    marks = {ast.unparse(mark) for mark in node.decorator_list}
    if not arguments or marks & {"staticmethod", "classmethod"}:
        return
    first = arguments[0].arg
    for inner in ast.walk(node):
        if not isinstance(inner, ast.Attribute):
            continue
        if _is(inner.value, first) and inner.attr in CELERYS - own:
            if isinstance(inner.ctx, ast.Load):
                yield _found(context, module, inner, f"{first}.{inner.attr}", inner.attr)
        elif (
            isinstance(inner.value, ast.Attribute)
            and inner.value.attr == "request"
            and _is(inner.value.value, first)
            and "request" not in own
            and inner.attr not in REQUEST
        ):
            yield _found(context, module, inner, f"{first}.request.{inner.attr}", "request")
        elif _is(inner.value, first) and inner.attr == "retry":
            yield from _retry(context, module, inner)


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _retry(context: Context, module: ModuleIndex, node: ast.Attribute) -> Iterator[Finding]:
    call = module.parents.get(node)
    if not isinstance(call, ast.Call) or call.func is not node:
        return
    odd = sorted({keyword.arg for keyword in call.keywords if keyword.arg} - RETRY)
    if odd:
        yield context.at(
            RULE,
            Level.WARNING,
            module,
            node,
            f"retry is called with {', '.join(odd)}=, which the helper's does not know.",
            "See that the task stands it.",
        )


def _outside(context: Context, module: ModuleIndex, node: ast.Attribute) -> Finding | None:
    """What is asked of a task of the helper's by its name."""
    if node.attr not in CELERYS or not isinstance(node.ctx, ast.Load):
        return None
    if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
        return None
    own = _own_names(context, module, node.value)
    if own is None or node.attr in own:
        return None
    return _found(context, module, node, module.text(node), node.attr)


def finds_on(context: Context, module: ModuleIndex, node: ast.Attribute) -> bool:
    """Whether an attribute is asked of a task, or of a class of tasks, that the tree names."""
    if is_own_task(context, module, node.value):
        return True
    if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
        return _own_names(context, module, node.value) is not None
    owner = module.class_around(node)
    return owner is not None and is_task_class(context, module, owner)


def _own_names(context: Context, module: ModuleIndex, node: ast.expr) -> set[str] | None:
    """What a task has of its project; None where an expression names no task with a class."""
    dotted = context.project.resolve(module, node.func if isinstance(node, ast.Call) else node)
    found = context.project.definition(dotted) if dotted else None
    if found is None:
        return None
    owner, definition = found[0], found[1].node
    if isinstance(definition, FUNCTIONS) and not isinstance(node, ast.Call):
        decorator = _helper_decorator(context, owner, definition)
        if not isinstance(decorator, ast.Call):
            return None if decorator is None else set()
        named = {keyword.arg: keyword.value for keyword in decorator.keywords}
        return _names(context, context.registry.base_of(owner, named.get("base")))
    if isinstance(definition, ast.Call) and not isinstance(node, ast.Call):
        made = definition.func
        if isinstance(made, ast.Attribute) and made.attr == "register_task" and definition.args:
            inner = definition.args[0]
            made = inner.func if isinstance(inner, ast.Call) else inner
        return _own_names(context, owner, made) if not isinstance(made, ast.Call) else None
    if isinstance(definition, ast.ClassDef) and is_task_class(context, owner, definition):
        return set(owner.scopes[definition]) | _names(context, _base_of(context, owner, definition))
    return None


def _found(context: Context, module: ModuleIndex, node: ast.AST, what: str, name: str) -> Finding:
    return context.at(
        RULE,
        Level.ERROR,
        module,
        node,
        f"{what} is Celery's alone; a task of the helper's has no such attribute.",
        FIXES.get(name, "Do without it, or keep it in a model of your own."),
    )


_CELERY = "from celery import shared_task\n\n\n"
_HELPER = "from shop.q_tasks import QTask, q_task\n\n\n"

EXAMPLES = (
    Example(
        "a task of Celery's that asks itself",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _CELERY + "@shared_task(bind=True)\ndef send(self, order):\n"
            "    self.update_state(state='PROGRESS')\n    print(self.request.hostname)\n"
            "    self.app.control.purge()\n    self.retry(countdown=3, link=None)\n",
        },
        ("shop/tasks.py:6", "shop/tasks.py:7", "shop/tasks.py:8", "shop/tasks.py:9"),
    ),
    Example(
        "tasks of the helper's, from inside and outside, and a class",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _HELPER + "@q_task(bind=True)\ndef send(self, order):\n"
            "    self.update_state(state='PROGRESS')\n\n\n@q_task\ndef other():\n    pass\n\n\n"
            "class Whole(QTask):\n    def run(self):\n        self.backend.get(1)\n\n\n"
            "send.apply(args=(1,))\nother.s(1)\nother.AsyncResult(1)\n"
            "whole = Whole()\nwhole.apply()\nWhole().s(1)\nWhole.si(1)\n",
        },
        tuple(f"shop/tasks.py:{line}" for line in (6, 16, 19, 20, 21, 23, 24, 25)),
    ),
    Example(
        "what the helper's tasks have, and what a project's base class gives them",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": "from celery import Task, shared_task\n\n\nclass Base(Task):\n"
            "    def update_state(self, **meta):\n        pass\n\n    @property\n"
            "    def backend(self):\n        return None\n\n\n"
            "@shared_task(bind=True, base=Base)\ndef send(self, order):\n"
            "    self.update_state(a=1)\n    print(self.backend, self.request.id, self.name)\n"
            "    raise self.retry(countdown=3, max_retries=2, exc=None)\n\n\n"
            "@shared_task\ndef plain(self):\n    self.update_state()\n",
            "shop/jobs.py": "from shop.q_tasks import q_task\n\n\n@q_task(bind=True)\n"
            "def late(self):\n    print(self.request.retries, self.request.id)\n"
            "    self.delay()\n\n\n"
            "late.delay()\nlate.apply_async()\nlate.name\n",
        },
    ),
)
