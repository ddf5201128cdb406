"""`@shared_task`, `@app.task` and their like go; a function that needs its task keeps one.

A plain function stays behind, which Django-Q2 finds by its dotted path. Where the function uses
`self`, is retried, or has a Task base class of the project, the helper's `@q_task` takes the
place. A bound `self` that nothing uses goes. An explicit `name=` lives on in
celery_task_names.json, so that messages that carry it are still found.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level
from celery2q.index import ModuleIndex
from celery2q.schedules.model import Inexpressible
from celery2q.schedules.read import timing_of
from celery2q.tasks import TaskDef, constant

RULE = "task-decorator"
KIND = "tasks"
#: Options that the helper's @q_task understands.
KEPT = frozenset(
    "bind base name max_retries default_retry_delay autoretry_for dont_autoretry_for retry_backoff "
    "retry_backoff_max retry_jitter retry_kwargs throws".split()
)
#: Attributes that only a task has, not a function.
TASK_ATTRIBUTES = frozenset("retry request max_retries update_state".split())


def check(context: Context) -> Iterator[Finding]:
    """Find every function that Celery's decorators make a task."""
    used = _attributes_used(context)
    for task in context.registry.tasks.values():
        if task.decorator is None or isinstance(task.node, ast.ClassDef):
            continue
        if task.wrapper is not None and task.wrapper.kind != "options":
            continue
        yield _check_task(context, task, used.get(task.path, set()))
    for module in context.modules:
        yield from _stray(context, module)


def _attributes_used(context: Context) -> dict[str, set[str]]:
    """{task path: attributes that code reads of it}."""
    found: dict[str, set[str]] = {}
    for module in context.modules:
        for node in module.attributes:
            if node.attr in TASK_ATTRIBUTES:
                task = context.registry.task_at(module, node.value)
                if task is not None:
                    found.setdefault(task.path, set()).add(node.attr)
    return found


def self_uses(task: TaskDef) -> list[ast.Name]:
    """Where a bound task's function uses its first parameter."""
    node = task.node
    if isinstance(node, ast.ClassDef) or not task.bind:
        return []
    arguments = [*node.args.posonlyargs, *node.args.args]
    if not arguments:
        return []
    return [
        inner
        for statement in node.body
        for inner in ast.walk(statement)
        if isinstance(inner, ast.Name) and inner.id == arguments[0].arg
    ]


def needs_task(context: Context, task: TaskDef, used: set[str]) -> bool:
    """Whether a plain function is not enough."""
    if self_uses(task) or used:
        return True
    if "autoretry_for" in task.options:
        return True
    return task.base is not None and bool(_behaviour(context, task))


def _behaviour(context: Context, task: TaskDef) -> set[str]:
    """What a task's base classes override beside sending on commit."""
    found: set[str] = set()
    seen = []
    queue = [task.base] if task.base else []
    while queue:
        base = queue.pop()
        seen.append(base)
        sends = {"apply_async", "delay"} if base.on_commit and not base.opaque else set()
        found |= set(base.hooks) - sends
        for parent in base.node.bases:
            other = context.registry.base_of(base.module, parent)
            if other is not None and other not in seen:
                queue.append(other)
    return found


def _check_task(context: Context, task: TaskDef, used: set[str]) -> Finding:
    module, node = task.module, task.node
    decorator = task.decorator
    assert decorator is not None and not isinstance(node, ast.ClassDef)
    message = f"{task.path} is a Celery task."
    if task.nested:
        return context.at(
            RULE,
            Level.ERROR,
            module,
            decorator,
            f"{task.path} is a Celery task inside a function, where no worker can import it.",
            "Move it to the module's top.",
        )
    if isinstance(module.parents.get(node), ast.ClassDef) and not any(
        module.text(item) == "staticmethod" for item in node.decorator_list
    ):
        return context.at(
            RULE,
            Level.ERROR,
            module,
            decorator,
            f"{task.path} is a Celery task and a method; no worker can call it without its object.",
            "Make it a function at the module's top that looks its object up.",
        )
    if task.spread:
        return context.at(
            RULE,
            Level.ERROR,
            module,
            decorator,
            f"{message} Its options stand behind a ** and cannot be read.",
            "Write the options out, or take the decorator away by hand.",
        )
    if "run_every" in task.options:
        try:
            timing_of(context, module, task.options["run_every"])
        except Inexpressible as error:
            return context.at(
                RULE,
                Level.ERROR,
                module,
                decorator,
                f"{message} Beat runs it, and Django-Q2 cannot say when: {error}",
                "Say its time in another way, then run the conversion again.",
            )
    if task.unread is not None:
        name, text = task.unread
        return context.at(
            RULE,
            Level.ERROR,
            module,
            decorator,
            f"{message} Its {name}={text} is known only at run time and cannot be carried over.",
            "Write it as a literal, then run the conversion again.",
        )
    if foreign := _foreign_names(task):
        return context.at(
            RULE,
            Level.ERROR,
            module,
            decorator,
            f"{message} Its wrapper gives it options made of {', '.join(foreign)}, which this "
            "module does not know.",
            "Write the options out at the task, then run the conversion again.",
        )
    if needs_task(context, task, used):
        return context.at(
            RULE,
            Level.ERROR,
            module,
            decorator,
            message,
            f"Put @q_task of {context.helper} in place of the decorator.",
            edits=[_replaced(context, task)],
        )
    edits = [_removed(module, decorator, _names(decorator))]
    arguments = [*node.args.posonlyargs, *node.args.args]
    if task.bind and arguments:
        edits.append(module.edit("Param", arguments[0], lambda updated: cst.RemoveFromParent()))
        first = edits[-1]
        edits[-1] = Edit("Param", first.line, first.column, first.replace)
    return context.at(
        RULE,
        Level.ERROR,
        module,
        decorator,
        message,
        "Take the decorator away; Django-Q2 finds the function by its path.",
        edits=edits,
    )


def _foreign_names(task: TaskDef) -> list[str]:
    """Names in a wrapper's options that the task's module would have to import."""
    if task.wrapper is None or task.wrapper.module is task.module:
        return []
    found = {
        inner.id
        for name, value in task.wrapper.options.items()
        if name in KEPT
        for inner in ast.walk(value)
        if isinstance(inner, ast.Name)
    }
    return sorted(found - set(dir(builtins)) - set(task.module.top))


def _names(decorator: ast.expr) -> tuple[str, ...]:
    return tuple(inner.id for inner in ast.walk(decorator) if isinstance(inner, ast.Name))


def _removed(module: ModuleIndex, decorator: ast.expr, drops: tuple[str, ...]) -> Edit:
    column = module.column(decorator)
    at = module.source.lines[decorator.lineno - 1].rfind("@", 0, column)
    return Edit(
        "Decorator", decorator.lineno, at, lambda updated: cst.RemoveFromParent(), drops=drops
    )


def _replaced(context: Context, task: TaskDef) -> Edit:
    module, decorator = task.module, task.decorator
    assert decorator is not None
    extra = {}
    if cluster := context.cluster_of(task):
        extra["cluster"] = repr(cluster).replace("'", '"')
    if task.time_limit:
        extra["timeout"] = f"{task.time_limit:g}"
    if task.wrapper is not None:
        for name, value in task.wrapper.options.items():
            if name in KEPT:
                extra.setdefault(name, task.wrapper.module.text(value))
    column = module.column(decorator)
    at = module.source.lines[decorator.lineno - 1].rfind("@", 0, column)
    return Edit(
        "Decorator",
        decorator.lineno,
        at,
        lambda updated: _q_task(updated, extra),
        imports=((context.helper, "q_task"),),
        drops=_names(decorator),
    )


def _q_task(decorator: cst.Decorator, extra: dict[str, str]) -> cst.Decorator:
    call = decorator.decorator
    old = list(call.args) if isinstance(call, cst.Call) else []
    kept = [arg for arg in old if arg.keyword is not None and arg.keyword.value in KEPT]
    given = {arg.keyword.value for arg in kept if arg.keyword}
    none = cst.SimpleWhitespace("")
    for name, value in extra.items():
        if name not in given:
            equal = cst.AssignEqual(whitespace_before=none, whitespace_after=none)
            kept.append(cst.Arg(cst.parse_expression(value), keyword=cst.Name(name), equal=equal))
    if not kept:
        return decorator.with_changes(decorator=cst.Name("q_task"))
    if old and kept[-1] is not old[-1]:
        last = kept[-1]
        kept[-1] = last.with_changes(
            comma=old[-1].comma, whitespace_after_arg=old[-1].whitespace_after_arg
        )
    base = call if isinstance(call, cst.Call) else cst.Call(cst.Name("q_task"))
    return decorator.with_changes(decorator=base.with_changes(func=cst.Name("q_task"), args=kept))


def _stray(context: Context, module: ModuleIndex) -> Iterator[Finding]:
    """Uses of the decorators that make no task of the registry: `f = shared_task(f)`."""
    known = {
        inner
        for task in context.registry.tasks.values()
        if task.module is module and task.decorator is not None
        for inner in ast.walk(task.decorator)
    }
    for wrapper in context.registry.wrappers.values():
        if wrapper.module is module:
            known.update(ast.walk(wrapper.node))
    for call in module.calls:
        if call in known or not context.registry.is_decorator(module, call):
            continue
        name = constant(call.args[0]) if call.args else None
        yield context.at(
            RULE,
            Level.ERROR,
            module,
            call,
            f"{module.text(call.func)}(…) makes a Celery task {name or ''}".rstrip()
            + " that is no decorated function at a module's top.",
            "Define a function at a module's top and send it by its dotted path.",
        )


EXAMPLES = (
    Example(
        "plain decorators, called and not, stacked with others",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": "from celery import shared_task\n\nfrom shop.log import logged\n\n\n"
            "# about it\n@shared_task\ndef one():\n    pass\n\n\n"
            '@shared_task(name="two", ignore_result=True)\n@logged\ndef two(a):\n    pass\n',
        },
        ("shop/tasks.py:7", "shop/tasks.py:12"),
        {
            "shop/tasks.py": "from shop.log import logged\n\n\n"
            "# about it\ndef one():\n    pass\n\n\n@logged\ndef two(a):\n    pass\n",
        },
    ),
    Example(
        "a bound task that does not use self loses it",
        {
            "shop/__init__.py": "",
            "shop/celery.py": "from celery import Celery\n\napp = Celery('shop')\n",
            "shop/tasks.py": "from shop.celery import app\n\n\n@app.task(bind=True)\n"
            "def one(self, order):\n    return order\n",
        },
        ("shop/tasks.py:4",),
        {"shop/tasks.py": "def one(order):\n    return order\n"},
    ),
    Example(
        "a task that retries keeps a task",
        {
            "shop/__init__.py": "",
            "shop/celery.py": "from celery import Celery\n\napp = Celery('shop')\n",
            "shop/tasks.py": "from shop.celery import app\n\n\n"
            "@app.task(bind=True, ignore_result=True, max_retries=2)\ndef one(self, order):\n"
            "    raise self.retry(countdown=3)\n",
        },
        ("shop/tasks.py:4",),
        {
            "shop/tasks.py": "from shop.q_tasks import q_task\n\n\n"
            "@q_task(bind=True, max_retries=2)\ndef one(self, order):\n"
            "    raise self.retry(countdown=3)\n",
        },
    ),
    Example(
        "a wrapper's options that are made of names of its own",
        {
            "shop/__init__.py": "",
            "shop/errors.py": "from celery import shared_task\n\n\nclass Busy(Exception):\n"
            "    pass\n\n\ndef job(**options):\n"
            "    return shared_task(autoretry_for=(Busy,), **options)\n",
            "shop/tasks.py": "from shop.errors import job\n\n\n@job()\ndef a():\n    pass\n",
        },
        ("shop/tasks.py:4",),
    ),
    Example(
        "periodic tasks, of which Django-Q2 cannot say the second",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": "from celery.task import periodic_task\n\n\n"
            "@periodic_task(run_every=60)\ndef a():\n    pass\n\n\n"
            "@periodic_task(run_every=30)\ndef b():\n    pass\n",
        },
        ("shop/tasks.py:4", "shop/tasks.py:9"),
        {
            "shop/tasks.py": "from celery.task import periodic_task\n\n\n"
            "def a():\n    pass\n\n\n@periodic_task(run_every=30)\ndef b():\n    pass\n",
        },
    ),
    Example(
        "options that only the running program knows, and such that a constant holds",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": "import os\n\nfrom celery import shared_task\n\nLIMIT = 60 * 60\n\n\n"
            "@shared_task(time_limit=int(os.environ['A']))\ndef a():\n    pass\n\n\n"
            "@shared_task(queue=os.environ['A'])\ndef b():\n    pass\n\n\n"
            "@shared_task(time_limit=LIMIT, queue=None)\ndef c():\n    pass\n",
        },
        ("shop/tasks.py:8", "shop/tasks.py:13", "shop/tasks.py:18"),
        {
            "shop/tasks.py": "import os\n\nfrom celery import shared_task\n\nLIMIT = 60 * 60\n\n\n"
            "@shared_task(time_limit=int(os.environ['A']))\ndef a():\n    pass\n\n\n"
            "@shared_task(queue=os.environ['A'])\ndef b():\n    pass\n\n\n"
            "def c():\n    pass\n",
        },
    ),
    Example(
        "a method, and a function inside a function",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": "from celery import shared_task\n\n\nclass A:\n    @shared_task\n"
            "    def one(self):\n        pass\n\n\ndef make():\n    @shared_task\n"
            "    def two():\n        pass\n\n    two.delay()\n",
        },
        ("shop/tasks.py:5", "shop/tasks.py:11"),
    ),
    Example(
        "a decorator of another library",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": "import celery\nfrom invoke import task\n\n\n@task\ndef one(c):\n"
            "    pass\n",
        },
    ),
)
