"""Tasks that are sent with a function, arguments or options that cannot work.

Every way of sending is looked at: async_task and its classes, chains, the helper's enqueue, and
partials of these. The function is looked up in the tree, a hook too; the arguments are held
against its parameters; keyword arguments that async_task keeps for itself, options of Celery that
it hands to the function, a cluster that Q_CLUSTER does not know, and an id that is asked like a
result are errors. Model instances, requests, files and what belongs to a process are warnings as
arguments: they are pickled as they were when the task was sent, if they can be pickled at all.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from celery2q.calls import Target, known_clusters, target_of
from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.results import asked_of_id
from celery2q.sendings import ENQUEUE, Sending, sendings
from celery2q.tasks import constant
from celery2q.weights import weight

RULE = "async-call"
CELERY_OPTIONS = frozenset(
    "retry countdown eta expires queue priority max_retries routing_key link delay task_id".split()
)
#: Functions whose value is the id of the task that they send.
GIVE_ID = ("async_task", "enqueue")


def check(context: Context) -> Iterator[Finding]:
    """Find them."""
    clusters = known_clusters(context)
    for module in context.modules:
        if module.name == context.helper:
            continue
        for sending in sendings(context, module):
            yield from _Check(context, module, sending).run(clusters)


class _Check:
    """One sending under examination."""

    def __init__(self, context: Context, module: ModuleIndex, sending: Sending) -> None:
        self.context = context
        self.module = module
        self.sending = sending

    def found(self, node: ast.AST, message: str, fix: str, level: Level = Level.ERROR) -> Finding:
        """A finding at a node."""
        return self.context.at(RULE, level, self.module, node, message, fix)

    def run(self, clusters: set[str] | None) -> Iterator[Finding]:
        """All that speaks against it.

        Args:
            clusters: names that Q_CLUSTER serves; None where it cannot be read.
        """
        target = target_of(self.context, self.module, self.sending.target)
        if target.problem:
            yield self.found(
                self.sending.call,
                f"No worker can run this task: {target.problem}",
                "Send a function at a module's top by its dotted path.",
            )
        yield from self.options(clusters)
        yield from self.fit(target)
        yield from self.value()
        for value in self.sending.values:
            if what := weight(self.context, self.module, value):
                yield self.found(
                    value,
                    f"{what} is sent along, pickled as it is now.",
                    "Send its primary key, or a plain value, and look it up in the task.",
                    Level.WARNING,
                )

    def options(self, clusters: set[str] | None) -> Iterator[Finding]:
        """The sender's own options."""
        given = self.sending.options
        cluster = constant(given.get("cluster"))
        if isinstance(cluster, str) and clusters is not None and cluster not in clusters:
            yield self.found(
                given["cluster"],
                f"No cluster is named {cluster!r}; the task would wait for ever.",
                "Add it to Q_CLUSTER['ALT_CLUSTERS'] and run a qcluster for it.",
            )
        if "q_options" in given:
            yield from self.delays(given["q_options"])
        hook = given.get("hook")
        if hook is not None and not _is_none(hook):
            problem = target_of(self.context, self.module, hook).problem
            if problem:
                yield self.found(
                    hook,
                    f"No worker can call this hook: {problem}",
                    "Name a function at a module's top by its dotted path.",
                )
        if not self.sending.swallows and (unknown := sorted(given.keys() - ENQUEUE)):
            if isinstance(self.sending.call, ast.Call) and _is_enqueue(self.sending):
                yield self.found(
                    self.sending.call,
                    f"{', '.join(unknown)}= is no option of the helper's enqueue.",
                    "Put the task's own arguments into args and kwargs.",
                )

    def value(self) -> Iterator[Finding]:
        """What is asked of the task's id, which is all that a sending gives."""
        call = self.sending.call
        if not isinstance(call, ast.Call) or self.sending.partial:
            return
        name = (self.context.project.resolve(self.module, call.func) or "").rsplit(".", 1)[-1]
        asked = asked_of_id(self.module, call) if name in GIVE_ID else ""
        if asked:
            yield self.found(
                call,
                f"{name} gives the task's id, a string, and .{asked} is asked of it.",
                "Look the id up with django_q.tasks.fetch(id) where the result is wanted.",
            )

    def fit(self, target: Target) -> Iterator[Finding]:
        """The arguments against the function's parameters."""
        sending, signature = self.sending, target.signature
        names = set(sending.kwargs or {})
        if signature is None:
            lost = sorted(names & {"countdown", "eta", "retry", "max_retries"})
            if lost and sending.swallows:
                yield self.handed_on(lost)
            return
        swallowed = sorted(sending.options.keys() & signature.reserved - {"q_options"})
        if swallowed and sending.swallows:
            yield self.found(
                sending.call,
                f"async_task keeps {', '.join(swallowed)}= for itself; {target.path} has a "
                "parameter of that name and does not get it.",
                "Rename the parameter, give it by position, or send with the helper's enqueue.",
            )
            return
        if sending.args is not None and sending.kwargs is not None:
            misfit = signature.misfit(len(sending.args), names, partial=sending.partial)
            if misfit:
                yield self.found(
                    sending.call, f"{target.path} {misfit}.", "Send what the function takes."
                )
                return
        lost = sorted(names & CELERY_OPTIONS - signature.names)
        if signature.varkw and lost and sending.swallows:
            yield self.handed_on(lost)

    def handed_on(self, names: list[str]) -> Finding:
        """Options of Celery that the function gets as arguments."""
        return self.found(
            self.sending.call,
            f"{', '.join(names)}= is no option of async_task: the function gets it.",
            "Use the helper's enqueue for due times, Q_CLUSTER for the rest.",
            Level.WARNING,
        )

    def delays(self, node: ast.expr) -> Iterator[Finding]:
        """A timeout in q_options inside an except clause was a countdown once."""
        if not (
            isinstance(node, ast.Dict) and any(constant(key) == "timeout" for key in node.keys)
        ):
            return
        current: ast.AST | None = self.sending.call
        while current is not None and not isinstance(current, FUNCTIONS):
            if isinstance(current, ast.ExceptHandler):
                yield self.found(
                    self.sending.call,
                    "A task is sent again after a failure with a timeout, which delays nothing: "
                    "it stops the task after that time.",
                    "Give the delay as countdown= of the helper's enqueue.",
                    Level.WARNING,
                )
                return
            current = self.module.parents.get(current)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_enqueue(sending: Sending) -> bool:
    """Whether the options are those of enqueue, not of a chain or of async_iter."""
    return sending.args is not None or sending.kwargs is not None or "countdown" in sending.options


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
    Example(
        "every way of sending",
        {
            "shop/__init__.py": "",
            "shop/q_tasks.py": "def enqueue(func, args=None, kwargs=None):\n    pass\n",
            "shop/jobs.py": _JOBS,
            "shop/a.py": "from functools import partial\n\n"
            "from django_q.tasks import AsyncTask, Chain, async_chain, async_iter, async_task\n\n"
            "from shop.q_tasks import enqueue, enqueue_chain\n\n"
            'partial(async_task, "shop.jobs.gone", 1)\n'
            'partial(async_task, "shop.jobs.send", 1, 2, 3)\n'
            'partial(enqueue, "shop.jobs.gone")\n'
            'enqueue("shop.jobs.send", args=(1, 2, 3))\n'
            'enqueue("shop.jobs.send", (1,), {"nope": 2})\n'
            'enqueue("shop.jobs.send", (1,), nope=2)\n'
            'enqueue_chain([("shop.jobs.gone", (1,), {})])\n'
            'async_chain([("shop.jobs.send", (1, 2, 3))])\n'
            'async_iter("shop.jobs.gone", [1])\nAsyncTask("shop.jobs.gone")\n'
            'steps = Chain()\nsteps.append("shop.jobs.gone")\nasync_task(func="shop.jobs.gone")\n'
            'async_task("shop.jobs.send", 1, hook="shop.jobs.gone")\n',
        },
        tuple(f"shop/a.py:{line}" for line in (7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20)),
    ),
    Example(
        "every way of sending, as it should be",
        {
            "shop/__init__.py": "",
            "shop/q_tasks.py": "def enqueue(func, args=None, kwargs=None):\n    pass\n",
            "shop/jobs.py": _JOBS + "\n\nJOB = 'shop.jobs.send'\n",
            "shop/a.py": "from functools import partial\n\n"
            "from django_q.tasks import AsyncTask, Chain, async_chain, async_iter, async_task\n\n"
            "from shop.jobs import JOB, send\n"
            "from shop.q_tasks import enqueue, enqueue_chain\n\n"
            'partial(async_task, "shop.jobs.send")\npartial(enqueue, send)\n'
            'enqueue("shop.jobs.send", args=(1,), kwargs={"timeout": 2}, countdown=3, group="a")\n'
            "enqueue(send, args=rows)\nenqueue_chain([(send, (1,), {}), (send, (), {}, True)])\n"
            "async_chain([(send, (1,))])\nasync_iter(send, [1])\nAsyncTask(JOB, 1)\n"
            "steps = Chain()\nsteps.append(send, 1)\nasync_task(JOB, *rows)\n"
            'async_task("shop.jobs" + ".send", 1, hook=send)\nasync_task(f"{__name__}.own")\n\n\n'
            "def own():\n    pass\n",
        },
    ),
    Example(
        "what a name stands for: a lambda, a text, a method, a coroutine",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "short = lambda: 1\n\n\nasync def later():\n    pass\n\n\n"
            "def maker():\n    def inner():\n        pass\n\n    return inner\n\n\n"
            "class Job:\n    def run(self):\n        pass\n\n"
            "    @staticmethod\n    def fixed(order):\n        pass\n\n"
            "    @classmethod\n    def made(cls, order):\n        pass\n",
            "shop/a.py": _IMPORT + "from shop import jobs\nfrom shop.jobs import Job, short\n\n"
            'NAME = "shop.jobs.gone"\nasync_task(NAME)\nasync_task("shop.jobs." + "gone")\n'
            "async_task(short)\nasync_task(jobs.later)\nasync_task(Job().run)\n"
            'async_task("shop.jobs.Job.run")\nasync_task("shop.jobs.Job.gone")\n'
            'async_task("shop.jobs.maker.inner")\nasync_task("shop.jobs.Job.fixed")\n'
            "async_task(Job.made)\n\n\nclass View:\n    def later(self):\n        pass\n\n"
            "    def get(self):\n        async_task(self.later)\n",
        },
        tuple(f"shop/a.py:{line}" for line in (*range(7, 17), 24)),
    ),
    Example(
        "methods and texts that a worker finds",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "from other import Base\n\nshort = lambda: 1\n\n\nclass Job:\n"
            "    @staticmethod\n    def fixed(order):\n        pass\n\n\n"
            "class Big(Base):\n    pass\n",
            "shop/a.py": _IMPORT + "from shop.jobs import Job\n\n"
            'async_task("shop.jobs.Job.fixed", 1)\nasync_task(Job.fixed, 1)\n'
            'async_task("shop.jobs.Big.inherited")\nasync_task("shop.jobs.short")\n\n\n'
            "class View:\n    task = Job.fixed\n\n    def get(self):\n"
            "        async_task(self.task, 1)\n",
        },
    ),
    Example(
        "arguments that are too much, or cannot be pickled",
        {
            "shop/__init__.py": "",
            "shop/models.py": "from django.db import models\n\n\nclass Base(models.Model):\n"
            "    pass\n\n\nclass Order(Base):\n    pass\n",
            "shop/jobs.py": "def send(*args, **kwargs):\n    pass\n",
            "shop/a.py": "import threading\n"
            + _IMPORT
            + "from django.db import connection\n\nfrom shop.models import Order\n\n\n"
            "def view(request, order: Order, late: 'Order'):\n"
            '    async_task("shop.jobs.send", order)\n    async_task("shop.jobs.send", late)\n'
            '    fresh = Order()\n    async_task("shop.jobs.send", a=[fresh])\n'
            '    async_task("shop.jobs.send", list(Order.objects.filter(a=1)))\n'
            '    async_task("shop.jobs.send", request.user)\n'
            '    async_task("shop.jobs.send", request.FILES["a"].read())\n'
            '    async_task("shop.jobs.send", open("a").read())\n'
            '    async_task("shop.jobs.send", threading.Lock())\n'
            '    async_task("shop.jobs.send", connection)\n'
            "    for item in Order.objects.all():\n"
            '        async_task("shop.jobs.send", item)\n'
            '    with open("a") as file:\n        async_task("shop.jobs.send", file)\n\n\n'
            "def saved(sender, instance, **kwargs):\n"
            '    async_task("shop.jobs.send", instance)\n',
        },
        tuple(f"shop/a.py:{line}" for line in (10, 11, 13, 14, 15, 16, 17, 18, 19, 21, 23, 27)),
    ),
    Example(
        "arguments that may be sent",
        {
            "shop/__init__.py": "",
            "shop/models.py": "from django.db import models\n\n\nclass Order(models.Model):\n"
            "    pass\n",
            "shop/jobs.py": "def send(*args, **kwargs):\n    pass\n",
            "shop/a.py": _IMPORT + "from django.core.cache import cache\n"
            "from django.db import connection\n\nfrom shop.models import Order\n\n\n"
            "def view(request, order: Order, instance):\n"
            '    async_task("shop.jobs.send", order.pk, request.user.pk, instance)\n'
            '    async_task("shop.jobs.send", Order.objects.filter(a=1).count())\n'
            '    async_task("shop.jobs.send", list(Order.objects.values_list("pk", flat=True)))\n'
            '    async_task("shop.jobs.send", [item.pk for item in Order.objects.all()])\n'
            '    async_task("shop.jobs.send", connection.schema_name, cache.get("a"))\n'
            '    async_task("shop.jobs.send", [number for number in range(3)], str(order))\n'
            "    order = Order.objects.get()\n    order = order.pk\n"
            '    async_task("shop.jobs.send", order)\n',
        },
    ),
    Example(
        "an id that is asked like a result",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "def send():\n    pass\n",
            "shop/a.py": _IMPORT + "\ndef view():\n"
            '    job = async_task("shop.jobs.send")\n    if job:\n        print(job.result)\n'
            '    return async_task("shop.jobs.send").id\n',
        },
        ("shop/a.py:5", "shop/a.py:8"),
    ),
    Example(
        "an id that is used as one",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "def send():\n    pass\n",
            "shop/a.py": _IMPORT + "from django_q.tasks import AsyncTask, fetch\n\n\n"
            'def view():\n    key = async_task("shop.jobs.send")\n    print(key.upper())\n'
            '    job = async_task("shop.jobs.send")\n    job = fetch(job)\n'
            '    print(job.result)\n    AsyncTask("shop.jobs.send").run()\n',
        },
    ),
)
