"""Progress that is reported on an object that nothing ties to a task.

`task.update_state(state=…, meta=…)` where `task` is an argument, an attribute or `self` of a mixin.
Where the task is known, helper-task, task-attribute, plain-call and celery-control find it. The
call is known by what Celery's method takes: `meta=`, or one of Celery's states. It is a note where
a method of the tree takes the same arguments and may be meant, and where `state=` stands alone and
is none of Celery's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.definitions import constant
from celery2q.findings import Finding, Level
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.rules.helper_task import finds_on, is_task_class

RULE = "task-progress"
METHOD = "update_state"
#: Celery's states, and the one that its manual makes up for progress.
STATES = frozenset(
    "PENDING RECEIVED STARTED SUCCESS FAILURE REVOKED REJECTED RETRY IGNORED PROGRESS".split()
)


def check(context: Context) -> Iterator[Finding]:
    """Find the calls."""
    for module in context.modules:
        if module.name == context.helper:
            continue
        for call in module.calls:
            func = call.func
            if not (isinstance(func, ast.Attribute) and func.attr == METHOD):
                continue
            names = {keyword.arg for keyword in call.keywords if keyword.arg}
            state = _celery_state(context, module, call)
            if not names & {"state", "meta"} and not state:
                continue
            if _known(context, module, func.value) or finds_on(context, module, func):
                continue
            certain = state or "meta" in names
            methods = context.project.functions_named(METHOD) if certain else ()
            certain = certain and not any(names <= _takes(method) for method in methods)
            yield _found(context, module, func, certain)


def _celery_state(context: Context, module: ModuleIndex, call: ast.Call) -> bool:
    """Whether an argument is a state of Celery's (the first one too, where it is meant as such)."""
    given = [*call.args[:2], *(item.value for item in call.keywords if item.arg == "state")]
    return any(
        constant(node) in STATES
        or (context.project.resolve(module, node) or "").startswith("celery.states.")
        for node in given
    )


def _known(context: Context, module: ModuleIndex, node: ast.expr, depth: int = 0) -> bool:
    """Whether what a method is called on is known to be no handed-on task.

    It is a function, an object of a class outside the tree, or of one with a method of that name.
    """
    if isinstance(node, ast.Name) and node.id in ("self", "cls"):
        owner = module.class_around(node)
        return owner is not None and _has_method(context, module, owner)
    if isinstance(node, ast.Name):
        bound = module.binding(node.id, node)
        if bound is not None and bound.kind == "assign" and isinstance(bound.node, ast.Call):
            node = bound.node
    dotted = context.project.resolve(module, node.func if isinstance(node, ast.Call) else node)
    if dotted is None:
        return False
    if dotted.split(".")[0] not in context.project.packages:
        return True
    found = context.project.definition(dotted)
    if found is None:
        return False
    owner, definition = found[0], found[1].node
    if isinstance(definition, ast.ClassDef):
        return _has_method(context, owner, definition)
    if isinstance(definition, FUNCTIONS):
        return not isinstance(node, ast.Call)
    return (
        isinstance(definition, ast.Call)
        and depth < 5
        and _known(context, owner, definition, depth + 1)
    )


def _has_method(context: Context, module: ModuleIndex, node: ast.ClassDef, depth: int = 0) -> bool:
    """Whether a class that is none of tasks has a method of that name, or may inherit one."""
    if METHOD in module.scopes[node]:
        return True
    if is_task_class(context, module, node) or depth > 5:
        return False
    for base in node.bases:
        dotted = context.project.resolve(module, base) or ""
        found = context.project.definition(dotted) if dotted else None
        if found is not None and isinstance(found[1].node, ast.ClassDef):
            if _has_method(context, found[0], found[1].node, depth + 1):
                return True
    return False


def _takes(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """The keyword arguments of a method; those of Celery's where it takes any."""
    arguments = node.args
    named = {item.arg for item in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    return named | ({"task_id", "state", "meta"} if arguments.kwarg else set())


def _found(context: Context, module: ModuleIndex, node: ast.Attribute, certain: bool) -> Finding:
    what = module.text(node.value).splitlines()[0][:50]
    fix = "Keep the progress in the cache or in a model, under the task's id."
    return context.at(
        RULE,
        Level.ERROR if certain else Level.NOTE,
        module,
        node,
        f"{what}.{METHOD} reports progress as Celery's tasks do; Django-Q2's tasks cannot, and "
        "nothing here says what task it is.",
        fix if certain else f"If it is a task: {fix[0].lower()}{fix[1:]}",
    )


_HEAD = "# celery\n"

EXAMPLES = (
    Example(
        "a task that is handed on: as an argument, as an attribute, to a mixin, to a function",
        {
            "shop/a.py": _HEAD + "class Form:\n    def work(self, task, form):\n"
            "        def progress(percent):\n"
            "            task.update_state(state='PROGRESS', meta={'value': percent})\n\n"
            "    def percent(self, value):\n"
            "        self._task_self.update_state(\n            meta={'value': value})\n\n"
            "    def mixed_in(self):\n        self.update_state(state='PROGRESS')\n\n\n"
            "def help(self):\n    self.update_state(state='HALF', meta={})\n",
            "shop/b.py": "from celery import states\n\n\ndef run(task, jobs):\n"
            "    task.update_state(None, states.STARTED)\n"
            "    jobs[0].update_state('PROGRESS')\n"
            "    task.update_state(state='dialling')\n",
        },
        (
            *(f"shop/a.py:{line}" for line in (5, 8, 12, 16)),
            *(f"shop/b.py:{line}" for line in (5, 6, 7)),
        ),
    ),
    Example(
        "a file that names Celery nowhere",
        {"shop/a.py": "def run(task):\n    task.update_state(state='PROGRESS', meta={})\n"},
        ("shop/a.py:2",),
    ),
    Example(
        "methods of models and of other libraries",
        {
            "shop/__init__.py": "",
            "shop/models.py": _HEAD + "from machines import Machine, Light\n\n\nclass Unit:\n"
            "    def update_state(self, state=None, meta=None):\n        pass\n\n"
            "    def save(self):\n        self.update_state(state='SUCCESS', meta={})\n\n\n"
            "class Part(Unit):\n    def save(self):\n        self.update_state(meta={})\n\n\n"
            "machine = Machine()\nmachine.update_state(state='STARTED')\n"
            "Light().update_state(meta={})\nunit = Unit()\nunit.update_state(meta={})\n",
            "shop/b.py": _HEAD + "from shop.models import machine, unit\n\n"
            "unit.update_state(meta={})\nmachine.update_state(meta={})\n",
            "shop/a.py": _HEAD + "def run(unit):\n    unit.update_state()\n"
            "    unit.update_state('open')\n    unit.update_state(force=True)\n"
            "    unit.update_state(run, 'open', 3)\n"
            "    update_state(state='PROGRESS', meta={})\n"
            "    print(unit.update_state, unit.update_state.call_args_list)\n",
        },
    ),
    Example(
        "what other rules find: the task is known",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": "from celery import Task, current_task, shared_task\n\n\n"
            "class Base(Task):\n    def half(self):\n"
            "        self.update_state(state='PROGRESS')\n\n\n"
            "@shared_task(bind=True, base=Base)\ndef send(self, order):\n"
            "    def progress(meta):\n        self.update_state(state='PROGRESS', meta=meta)\n\n"
            "    current_task.update_state(state='PROGRESS', meta={})\n"
            "    send.update_state(state='PROGRESS', meta={})\n"
            "    later.update_state(meta={})\n\n\n"
            "def later():\n    pass\n",
        },
    ),
)
