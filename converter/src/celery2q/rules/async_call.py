"""Calls of `async_task` whose function, arguments or options cannot work.

The function is looked up in the tree; the arguments are held against its parameters; keyword
arguments that async_task keeps for itself, options of Celery that it hands to the function, and
a cluster that Q_CLUSTER does not know are errors. Model instances, requests and files as
arguments are warnings: they are pickled as they were when the task was sent.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from celery2q.calls import SENDERS, known_clusters, target_of
from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.signatures import RESERVED
from celery2q.tasks import constant

RULE = "async-call"
CELERY_OPTIONS = frozenset(
    "retry countdown eta expires queue priority max_retries routing_key link delay task_id".split()
)


def check(context: Context) -> Iterator[Finding]:
    """Find the calls."""
    clusters = known_clusters(context)
    for module in context.modules:
        for call in module.calls:
            name = context.project.resolve(module, call.func)
            if name in (*SENDERS, f"{context.helper}.async_task") and call.args:
                yield from _check(context, module, call, clusters, name.endswith("async_task"))


def _check(
    context: Context, module: ModuleIndex, call: ast.Call, clusters: set[str] | None, plain: bool
) -> Iterator[Finding]:
    def error(node: ast.AST, message: str, fix: str, level: Level = Level.ERROR) -> Finding:
        return context.at(RULE, level, module, node, message, fix)

    target = target_of(context, module, call.args[0])
    if target.problem:
        yield error(
            call,
            f"No worker can run this task: {target.problem}",
            "Send a function at a module's top by its dotted path.",
        )
    names = {keyword.arg for keyword in call.keywords if keyword.arg}
    for keyword in call.keywords:
        value = constant(keyword.value)
        if keyword.arg == "cluster" and isinstance(value, str) and clusters is not None:
            if value not in clusters:
                yield error(
                    keyword.value,
                    f"No cluster is named {value!r}; the task would wait for ever.",
                    "Add it to Q_CLUSTER['ALT_CLUSTERS'] and run a qcluster for it.",
                )
        if keyword.arg == "q_options":
            yield from _options(context, module, call, keyword.value)
    signature = target.signature
    if signature is not None and plain:
        swallowed = sorted(names & signature.reserved - {"q_options"})
        if swallowed:
            yield error(
                call,
                f"async_task keeps {', '.join(swallowed)}= for itself; {target.path} has a "
                "parameter of that name and does not get it.",
                "Rename the parameter, give it by position, or send with the helper's enqueue.",
            )
        stars = any(isinstance(arg, ast.Starred) for arg in call.args) or any(
            keyword.arg is None for keyword in call.keywords
        )
        given = names - RESERVED
        misfit = (
            signature.misfit(len(call.args) - 1, given) if not stars and not swallowed else None
        )
        if misfit:
            yield error(
                call,
                f"{target.path} {misfit}.",
                "Send what the function takes.",
            )
        elif signature.varkw and (lost := sorted(given & CELERY_OPTIONS - signature.names)):
            yield error(
                call,
                f"{', '.join(lost)}= is no option of async_task: the function gets it.",
                "Use the helper's enqueue for due times, Q_CLUSTER for the rest.",
                Level.WARNING,
            )
    elif plain and (lost := sorted(names & {"countdown", "eta", "retry", "max_retries"})):
        yield error(
            call,
            f"{', '.join(lost)}= is no option of async_task: the function gets it.",
            "Use the helper's enqueue for due times, Q_CLUSTER for the rest.",
            Level.WARNING,
        )
    for value_node in [*call.args[1:], *(keyword.value for keyword in call.keywords)]:
        what = _heavy(context, module, value_node)
        if what:
            yield error(
                value_node,
                f"{what} is sent along, pickled as it is now.",
                "Send its primary key, or a plain value, and look it up in the task.",
                Level.WARNING,
            )


def _options(
    context: Context, module: ModuleIndex, call: ast.Call, node: ast.expr
) -> Iterator[Finding]:
    """A timeout in q_options inside an except clause was a countdown once."""
    if not (isinstance(node, ast.Dict) and any(constant(key) == "timeout" for key in node.keys)):
        return
    current: ast.AST | None = call
    while current is not None and not isinstance(current, FUNCTIONS):
        if isinstance(current, ast.ExceptHandler):
            yield context.at(
                RULE,
                Level.WARNING,
                module,
                call,
                "A task is sent again after a failure with a timeout, which delays nothing: it "
                "stops the task after that time.",
                "Give the delay as countdown= of the helper's enqueue.",
            )
            return
        current = module.parents.get(current)


def _heavy(context: Context, module: ModuleIndex, node: ast.expr) -> str:
    """What an argument is, where it should not be sent; "" where it may."""
    if isinstance(node, ast.Lambda):
        return "A lambda"
    if isinstance(node, ast.GeneratorExp):
        return "A generator"
    text = module.text(node)
    if (isinstance(node, ast.Name) and node.id == "request") or text in ("self.request", "self"):
        return f"{text}, which cannot be pickled or is far too large,"
    if _is_instance(module, node):
        return f"{text}, a model instance,"
    if isinstance(node, ast.Name):
        found = module.binding(node.id, node)
        if found is not None and found.kind == "assign" and found.node is not None:
            value = found.node
            if _is_instance(module, value):  # type: ignore[arg-type]
                return f"{node.id}, a model instance,"
            if isinstance(value, ast.Call) and module.text(value.func) == "open":
                return f"{node.id}, an open file,"
    return ""


def _is_instance(module: ModuleIndex, node: ast.AST) -> bool:
    """Whether an expression gives a model instance or a queryset."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("get", "create", "first", "last", "filter", "all", "select_related"):
            return ".objects" in module.text(node.func)
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("get_object_or_404", "get_list_or_404")
    )


_JOBS = "def send(order, timeout=None):\n    pass\n"
_IMPORT = "from django_q.tasks import async_task\n\n"

EXAMPLES = (
    Example(
        "functions that no worker finds",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": _JOBS,
            "shop/a.py": _IMPORT + 'async_task("shop.jobs.gone")\nasync_task("shop.jobz.send")\n'
            "async_task(lambda: 1)\n\n\ndef view():\n    def inner():\n        pass\n\n"
            "    async_task(inner)\n",
        },
        ("shop/a.py:3", "shop/a.py:4", "shop/a.py:5", "shop/a.py:12"),
    ),
    Example(
        "arguments that do not fit, are swallowed, or were options",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": _JOBS,
            "shop/a.py": _IMPORT + 'async_task("shop.jobs.send")\n'
            'async_task("shop.jobs.send", 1, timeout=3)\n'
            'async_task("shop.jobs.send", 1, retry=3)\n'
            'async_task("other.jobs.send", 1, countdown=3)\n',
        },
        ("shop/a.py:3", "shop/a.py:4", "shop/a.py:5", "shop/a.py:6"),
    ),
    Example(
        "heavy arguments, an unknown cluster and a countdown that became a timeout",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "Q_CLUSTER = {'name': 'shop', 'workers': 1}\n",
            "shop/jobs.py": _JOBS,
            "shop/a.py": _IMPORT + "def view(request):\n"
            '    async_task("shop.jobs.send", Order.objects.get(pk=1))\n'
            '    async_task("shop.jobs.send", request, cluster="slow")\n'
            "    try:\n        pass\n    except OSError:\n"
            '        async_task("shop.jobs.send", 1, q_options={"timeout": 60})\n',
        },
        ("shop/a.py:4", "shop/a.py:5", "shop/a.py:5", "shop/a.py:9"),
    ),
    Example(
        "calls that work",
        {
            "shop/__init__.py": "from shop.jobs import send\n",
            "shop/settings.py": "Q_CLUSTER = {'name': 'shop', 'ALT_CLUSTERS': {'slow': {}}}\n",
            "shop/jobs.py": _JOBS,
            "shop/a.py": "import shop\n" + _IMPORT + 'async_task("shop.send", 1, cluster="slow")\n'
            "async_task(shop.send, order=1, group='a')\nasync_task('math.sqrt', 2)\n",
        },
    ),
)
