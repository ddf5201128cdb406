"""`.delay`, `.apply_async`, `.s` on a plain function, and `self.retry` where there is no task.

Resolved through imports and re-exports, by `getattr` too. So is whatever else only Celery's tasks
have (`.apply`, `.signature`, `.AsyncResult`, `.run` …), where the function is a plain one without
such an attribute of its own. A receiver that cannot be resolved is an error for `.apply_async`,
which only Celery has, and a note for `.delay`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.results import asked_of_id
from celery2q.rules.helper_task import is_own_task
from celery2q.send import KNOWN, values_of
from celery2q.tasks import constant

RULE = "plain-call"
SENDS = frozenset("delay apply_async delay_on_commit apply_async_on_commit".split())
MAKES = frozenset(("s", "si"))
#: What else a Celery task has and a function has not.
HAS = frozenset(
    "apply signature subtask map starmap chunks run name request AsyncResult retry max_retries "
    "update_state backend rate_limit default_retry_delay send_event replace".split()
)
#: Those of them that other libraries' decorators give a function as well.
SHARED = frozenset("run name request map replace retry backend rate_limit signature".split())
#: Queues of tasks that are none of Celery's, whose decorators give functions a `.delay` too.
OTHER_QUEUES = frozenset(
    "rq django_rq dramatiq huey procrastinate arq taskiq apscheduler spinach dask".split()
)


def check(context: Context) -> Iterator[Finding]:
    """Find the calls."""
    for module in context.modules:
        for node in module.attributes:
            if not isinstance(node.ctx, ast.Load):
                continue
            finding = None
            if node.attr in SENDS | MAKES | {"retry"}:
                finding = _check(context, module, node)
            if finding is None and node.attr in HAS:
                finding = _attribute(context, module, node)
            if finding is not None:
                yield finding
        for call in module.calls:
            finding = _by_name(context, module, call)
            if finding is not None:
                yield finding


def _attribute(context: Context, module: ModuleIndex, node: ast.Attribute) -> Finding | None:
    """Something else of a Celery task that is read of a plain function."""
    if values_of(context, module, node.value):
        return None
    target = _function(context, module, node.value, bare=node.attr in SHARED)
    if not target or _given(context, target, node.attr):
        return None
    if _of_other_queue(context, module, node.value):
        return None
    fix = "Call the function." if node.attr in ("apply", "run") else "Do without it."
    return context.at(
        RULE,
        Level.ERROR,
        module,
        node,
        f"{target} is a plain function and has no .{node.attr}.",
        fix,
    )


def _given(context: Context, target: str, name: str) -> bool:
    """Whether code gives a function an attribute of that name: `send.name = "…"`."""
    found = context.project.definition(target)
    for module in [*context.modules, *([found[0]] if found else [])]:
        for node in module.attributes:
            if node.attr == name and isinstance(node.ctx, ast.Store):
                if context.project.resolve(module, node.value) == target:
                    return True
    return False


def _by_name(context: Context, module: ModuleIndex, call: ast.Call) -> Finding | None:
    """`getattr(send, "delay")` of a task or of a plain function."""
    if not (isinstance(call.func, ast.Name) and call.func.id == "getattr" and len(call.args) >= 2):
        return None
    name = constant(call.args[1])
    if name not in SENDS | MAKES:
        return None
    task = context.registry.task_at(module, call.args[0])
    target = task.path if task is not None else _function(context, module, call.args[0])
    if not target:
        return None
    return context.at(
        RULE,
        Level.ERROR,
        module,
        call,
        f"{target} is asked for its .{name} by name, which a plain function does not have.",
        f'Send it with async_task("{target}", …).',
    )


def _check(context: Context, module: ModuleIndex, node: ast.Attribute) -> Finding | None:
    if values_of(context, module, node.value) or _of_other_queue(context, module, node.value):
        return None
    if node.attr == "retry":
        return _retry(context, module, node)
    target = _function(context, module, node.value)
    if target:
        return context.at(
            RULE,
            Level.ERROR,
            module,
            node,
            f"{target} is a plain function and has no .{node.attr}.",
            f'Send it with async_task("{target}", …).',
        )
    if module.name != context.helper and module.text(node.value).startswith("super("):
        return context.at(
            RULE,
            Level.NOTE,
            module,
            node,
            f"A class of tasks sends through {module.text(node)}.",
            "Look whether the helper's QTask does what is meant.",
        )
    if (
        node.attr in MAKES
        or _in_task_class(context, module, node)
        or _of_canvas(context, module, node.value)
        or _of_plain(context, module, node.value)
        or is_own_task(context, module, node.value)
    ):
        return None
    if not _unresolved(context, module, node.value):
        return None
    helpers = _helper_task(context, module, node)
    if helpers is not None:
        return helpers
    if re.search(r"pool|executor", module.text(node.value), re.IGNORECASE):
        return None  # multiprocessing's pools have an apply_async too
    what = module.text(node.value).splitlines()[0][:50]
    if node.attr == "delay":
        parent = module.parents[node]
        if not (isinstance(parent, ast.Call) and parent.func is node):
            return None
        return context.at(
            RULE,
            Level.NOTE,
            module,
            node,
            f"{what}.delay is called, and nothing here says what {what} is.",
            "If it is a task, send it with async_task.",
        )
    return context.at(
        RULE,
        Level.ERROR,
        module,
        node,
        f"{what}.{node.attr} is called, and nothing here says what {what} is; only Celery's tasks "
        "have such a method.",
        "Send the function by its dotted path, with async_task or the helper's enqueue.",
    )


def _function(context: Context, module: ModuleIndex, node: ast.expr, bare: bool = False) -> str:
    """The plain function of the tree that an expression names; "" for none.

    Args:
        bare: whether it must have no decorator at all.
    """
    dotted = context.project.resolve(module, node)
    found = context.project.definition(dotted) if dotted else None
    if found is None or found[1].kind != "def" or not isinstance(found[1].node, FUNCTIONS):
        return ""
    for decorator in found[1].node.decorator_list:
        func = decorator.func if isinstance(decorator, ast.Call) else decorator
        if bare or "task" in ast.unparse(func).lower():
            return ""
    return dotted or ""


def _of_other_queue(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    """Whether an expression names a function that another queue's decorator made its own."""
    dotted = context.project.resolve(module, node)
    found = context.project.definition(dotted) if dotted else None
    if found is None or not isinstance(found[1].node, FUNCTIONS):
        return False
    funcs = [
        mark.func if isinstance(mark, ast.Call) else mark for mark in found[1].node.decorator_list
    ]
    origins = {(context.project.resolve(found[0], func) or "").split(".")[0] for func in funcs}
    return bool(origins & OTHER_QUEUES)


def _of_plain(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    """Whether a receiver is what a plain function was asked for, which is a finding itself."""
    return any(
        isinstance(inner, ast.Attribute)
        and inner.attr in HAS | MAKES
        and _function(context, module, inner.value)
        for inner in ast.walk(node)
    )


def _helper_task(context: Context, module: ModuleIndex, node: ast.Attribute) -> Finding | None:
    """A sending of a task that the helper's @q_task made, which has these methods itself."""
    dotted = context.project.resolve(module, node.value)
    found = context.project.definition(dotted) if dotted else None
    if found is None or not isinstance(found[1].node, FUNCTIONS):
        return None
    decorators = [ast.unparse(item) for item in found[1].node.decorator_list]
    if not any(text.startswith("q_task") for text in decorators):
        return None
    call = module.parents[node]
    given = {keyword.arg for keyword in call.keywords} if isinstance(call, ast.Call) else set()
    odd = sorted(str(name) for name in given - KNOWN) if node.attr == "apply_async" else []
    if odd:
        return context.at(
            RULE,
            Level.ERROR,
            module,
            node,
            f"{dotted} is sent with {odd[0]}=, which the helper's tasks do not know.",
            "Do by hand what hangs on it, and send it with enqueue.",
        )
    sent = isinstance(call, ast.Call) and call.func is node
    if sent and (asked := asked_of_id(module, call)):
        return context.at(
            RULE,
            Level.ERROR,
            module,
            node,
            f"{dotted} is sent with .{node.attr}, which gives the task's id, a string, and "
            f".{asked} is asked of it.",
            "Look the id up with django_q.tasks.fetch(id) where the result is wanted.",
        )
    return context.at(
        RULE,
        Level.NOTE,
        module,
        node,
        f"{dotted} is sent with .{node.attr} of the helper's task.",
        "It works; send it with enqueue like the others.",
    )


def _of_canvas(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    """Whether the receiver is built of Celery's canvas, which another rule reports."""
    return any(
        isinstance(inner, ast.Call)
        and (context.project.resolve(module, inner.func) or "").startswith("celery.")
        for inner in ast.walk(node)
    )


def _unresolved(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    dotted = context.project.resolve(module, node)
    return dotted is None or dotted.split(".")[0] in {*context.project.packages, "celery"}


def _in_task_class(context: Context, module: ModuleIndex, node: ast.AST) -> bool:
    """Whether a call stands in a class of tasks, Celery's or the helper's."""
    for scope in module.scopes_of(node):
        if isinstance(scope, ast.ClassDef):
            path = f"{module.name}.{module.qualname(scope)}"
            bases = [module.text(base) for base in scope.bases]
            if path in context.registry.bases or any("Task" in base for base in bases):
                return True
    return module.name == context.helper


def _retry(context: Context, module: ModuleIndex, node: ast.Attribute) -> Finding | None:
    if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
        return None
    functions = [scope for scope in module.scopes_of(node) if isinstance(scope, FUNCTIONS)]
    if not functions or any(isinstance(scope, ast.ClassDef) for scope in module.scopes_of(node)):
        return None
    outer = functions[-1]
    decorators = [ast.unparse(item) for item in outer.decorator_list]
    if any("task" in text.lower() for text in decorators):
        if any("bind" in text for text in decorators):
            return None
    return context.at(
        RULE,
        Level.ERROR,
        module,
        node,
        f"{outer.name} calls self.retry(), and nothing hands a task to it.",
        "Decorate it with the helper's @q_task(bind=True), which gives it self.",
    )


EXAMPLES = (
    Example(
        "plain functions, through an import and a re-export",
        {
            "shop/__init__.py": "from shop.jobs import send\n",
            "shop/jobs.py": "def send():\n    pass\n",
            "shop/a.py": "import shop\nfrom shop import jobs\n\n"
            "jobs.send.delay()\nshop.send.apply_async()\n",
        },
        ("shop/a.py:4", "shop/a.py:5"),
    ),
    Example(
        "what else only a task has, and a sending by name",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "from django.db import transaction\n\n\ndef send():\n    pass\n\n\n"
            "@receiver(periodic_task)\n@transaction.atomic\ndef often():\n    pass\n",
            "shop/tasks.py": "from celery import shared_task\n\n\n@shared_task\ndef late():\n"
            "    pass\n",
            "shop/a.py": "from shop import jobs\nfrom shop.jobs import send\n"
            "from shop.tasks import late\n\n"
            "send.apply(args=(1,))\nsend.signature((1,)).delay()\nprint(send.name)\n"
            "send.AsyncResult(3)\nsend.retry()\ngetattr(send, 'delay')(1)\n"
            "getattr(late, 'apply_async')()\njobs.often.apply(throw=True)\n"
            "jobs.often.delay()\n",
        },
        tuple(f"shop/a.py:{line}" for line in range(5, 14)),
    ),
    Example(
        "attributes that are somebody else's",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "import click\nfrom django_rq import job\n\n\n@job\ndef send():\n"
            "    pass\n\n\n@click.command()\ndef run():\n    pass\n\n\ndef named():\n    pass\n\n\n"
            "named.name = 'a'\n",
            "shop/a.py": "# celery\nfrom shop.jobs import named, run, send\n\nsend.delay()\n"
            "print(run.name, named.name, named.__name__)\ngetattr(named, 'name')\n",
        },
    ),
    Example(
        "self.retry where self is gone",
        {
            "shop/jobs.py": "# was a celery task\ndef send(order):\n"
            "    raise self.retry(countdown=3)\n"
        },
        ("shop/jobs.py:3",),
    ),
    Example(
        "a task of the helper's, one with an option that it does not know, and results",
        {
            "shop/a.py": "from shop.q_tasks import q_task\n\n\n@q_task(bind=True)\n"
            "def send(self):\n    self.apply_async()\n\n\nsend.delay()\n"
            "send.apply_async(link=print)\n\n\ndef view():\n    job = send.delay()\n"
            "    print(job.id)\n    return send.apply_async().get()\n",
        },
        ("shop/a.py:9", "shop/a.py:10", "shop/a.py:14", "shop/a.py:16"),
    ),
    Example(
        "a receiver that nothing explains",
        {"shop/a.py": "# celery\ndef run(task):\n    task.apply_async()\n    task.delay()\n"},
        ("shop/a.py:3", "shop/a.py:4"),
    ),
    Example(
        "a class of tasks that sends in a way of its own, and a task of Celery's own",
        {
            "shop/a.py": "from celery.contrib.testing.tasks import ping\n\n\n"
            "class A(QTask):\n    def apply_async(self, *args):\n"
            "        return super().apply_async(*args)\n\n\nping.delay()\n"
        },
        ("shop/a.py:6", "shop/a.py:9"),
    ),
    Example(
        "methods of other libraries",
        {
            "shop/__init__.py": "",
            "shop/a.py": "# celery\nimport requests\n\nrequests.adapters.retry(3)\n"
            "worker_pool.apply_async(print)\n\n\n"
            "class A:\n    def run(self):\n        self.retry()\n",
        },
    ),
)
