"""A task's result that is asked for its end: `.ready()`, `.successful()`, `.revoke(terminate=…)`.

What makes a result is found where it is made (celery-control, task-call); this finds who asks it,
where it came as an argument or an attribute, too. It is an error for what only a result has
(`.successful()`, `.revoke(terminate=…)`) and for a name that holds an AsyncResult or a row of
Django-Q2's. `.ready()`, `.failed()` and `.forget()` are warnings where the name says that it is a
task or a result, and no class of the tree has such a method.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import ModuleIndex

RULE = "result-asked"
#: Methods that only a result has, and those that many a thing has.
OWN = frozenset(("successful",))
SHARED = frozenset(("ready", "failed", "forget"))
#: What becomes of them where the row of django_q.tasks.fetch(id) stands for the result.
FIXES = {
    "successful": "Ask django_q.tasks.fetch(id): a row whose success is true.",
    "ready": "Ask django_q.tasks.fetch(id): there is a row as soon as the task has ended.",
    "failed": "Ask django_q.tasks.fetch(id): a row whose success is false.",
    "forget": "Do without it: save_limit says how many results are kept.",
    "revoke": "Delete the task's OrmQ row; one that runs already cannot be stopped.",
}
NAMES = re.compile(r"task|result|^res$", re.IGNORECASE)
FETCH = frozenset(("django_q.tasks.fetch", "django_q.models.Task.get_task"))


def check(context: Context) -> Iterator[Finding]:
    """Find the calls."""
    for module in context.modules:
        if module.name == context.helper:
            continue
        for call in module.calls:
            level = _level(context, module, call)
            if level is not None:
                what = module.text(call.func).splitlines()[0][:50]
                yield context.at(
                    RULE,
                    level,
                    module,
                    call,
                    f"{what}() asks a task's result, which only Celery has.",
                    FIXES[call.func.attr],  # type: ignore[attr-defined]
                )


def _level(context: Context, module: ModuleIndex, call: ast.Call) -> Level | None:
    """How certain it is that a call asks a result; None where it does not."""
    func = call.func
    if not isinstance(func, ast.Attribute) or call.args or _of_library(context, module, func.value):
        return None
    names = {keyword.arg for keyword in call.keywords}
    if func.attr == "revoke":
        return Level.ERROR if "terminate" in names else None
    if names or func.attr not in OWN | SHARED:
        return None
    if _held(context, module, func.value):
        return Level.ERROR
    last = func.value.attr if isinstance(func.value, ast.Attribute) else module.text(func.value)
    if func.attr != "ready" and context.project.functions_named(func.attr):
        return None  # every AppConfig may have a ready
    if func.attr in OWN:
        return Level.ERROR
    plain = isinstance(func.value, ast.Name | ast.Attribute)
    return Level.WARNING if plain and NAMES.search(last) else None


def _of_library(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    """Whether an object is of a library of another kind, multiprocessing's results among them."""
    if "multiprocessing" in module.source.text or "concurrent.futures" in module.source.text:
        return True
    dotted = context.project.resolve(module, node)
    first = dotted.split(".")[0] if dotted else ""
    return bool(first) and first not in context.project.packages | {"celery"}


def _held(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    """Whether an expression is an AsyncResult or a row, or a name that was given one here."""
    if isinstance(node, ast.Name):
        bound = module.binding(node.id, node)
        node = bound.node if bound is not None and bound.kind == "assign" else None
    if not isinstance(node, ast.Call):
        return False
    dotted = context.project.resolve(module, node.func) or ""
    return dotted in FETCH or module.text(node.func).split(".")[-1] == "AsyncResult"


EXAMPLES = (
    Example(
        "results that were made here, by Celery or by Django-Q2",
        {
            "shop/a.py": "from celery.result import AsyncResult\nfrom django_q.tasks import fetch\n"
            "\n\ndef view(key):\n    one = AsyncResult(key)\n    if one.ready():\n"
            "        one.forget()\n    two = fetch(key)\n    print(two.failed())\n"
            "    AsyncResult(key).successful()\n"
        },
        tuple(f"shop/a.py:{line}" for line in (7, 8, 10, 11)),
    ),
    Example(
        "results that came as arguments and attributes",
        {
            "shop/a.py": "# celery\nclass View:\n    def get(self, res, task):\n"
            "        if res.ready() and not res.successful():\n            task.failed()\n"
            "        task.revoke(terminate=True)\n        self.background_task.ready()\n"
        },
        ("shop/a.py:4", "shop/a.py:4", "shop/a.py:5", "shop/a.py:6", "shop/a.py:7"),
    ),
    Example(
        "methods of other things",
        {
            "shop/models.py": "class Order:\n    def failed(self):\n        pass\n\n\n"
            "class Config:\n    def ready(self):\n        super().ready()\n",
            "shop/a.py": "# celery\nimport server\n\n\ndef run(config, token, task, door):\n"
            "    config.ready()\n    token.revoke()\n    task.failed()\n    door.ready()\n"
            "    server.task.ready()\n    task.ready(3)\n    token.revoke(reason='lost')\n",
            "shop/b.py": "# celery\nfrom multiprocessing import Pool\n\n\ndef run(result):\n"
            "    result.successful()\n",
        },
    ),
)
