"""Schedules made in code: their function, arguments, time and place.

One row whose arguments are no literals, or whose cron expression is bad, stops every schedule
in silence. A schedule made at import or in `ready()` is made again in each process. DAILY,
WEEKLY and their like without a next_run start at once, whatever hour was meant.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from croniter import croniter

from celery2q.calls import known_clusters, literal_text, target_of
from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.signatures import SCHEDULE_OPTIONS
from celery2q.tasks import constant

RULE = "schedule-row"
MAKERS = frozenset("create get_or_create update_or_create".split())
AT_ONCE = frozenset("HOURLY DAILY WEEKLY BIWEEKLY MONTHLY BIMONTHLY QUARTERLY YEARLY".split())
MODEL = "django_q.models.Schedule"


def check(context: Context) -> Iterator[Finding]:
    """Find every place that makes one."""
    clusters = known_clusters(context)
    for module in context.modules:
        if "/migrations/" in f"/{module.path}":
            continue
        for call in module.calls:
            given = _given(context, module, call)
            if given is not None:
                yield from _check(context, module, call, given, clusters)


def _given(context: Context, module: ModuleIndex, call: ast.Call) -> dict[str, ast.expr] | None:
    """The fields of a schedule that a call makes; None for any other call."""
    func = call.func
    dotted = context.project.resolve(module, func)
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    if dotted == "django_q.tasks.schedule":
        fields = {name: value for name, value in named.items() if name in SCHEDULE_OPTIONS}
        if call.args:
            fields["func"] = call.args[0]
        fields["*"] = call
        return fields
    if dotted == MODEL:
        return named
    if (
        isinstance(func, ast.Attribute)
        and func.attr in MAKERS
        and isinstance(func.value, ast.Attribute)
        and context.project.resolve(module, func.value.value) == MODEL
    ):
        defaults = named.pop("defaults", None)
        if isinstance(defaults, ast.Dict):
            for key, value in zip(defaults.keys, defaults.values, strict=True):
                if isinstance(name := constant(key), str):
                    named[name] = value
        return named
    return None


def _check(
    context: Context,
    module: ModuleIndex,
    call: ast.Call,
    given: dict[str, ast.expr],
    clusters: set[str] | None,
) -> Iterator[Finding]:
    def found(node: ast.AST, message: str, fix: str, level: Level = Level.ERROR) -> Finding:
        return context.at(RULE, level, module, node, message, fix)

    signature = None
    if "func" in given:
        target = target_of(context, module, given["func"])
        signature = target.signature
        if target.problem:
            yield found(
                given["func"],
                f"The scheduled function does not resolve: {target.problem}",
                "Name a function at a module's top.",
            )
    values: dict[str, object] = {}
    for name in ("args", "kwargs"):
        text = constant(given.get(name))
        if isinstance(text, str) and text:
            try:
                values[name] = literal_text(text, name == "kwargs")
            except ValueError:
                yield found(
                    given[name],
                    f"The schedule's {name} {text!r} are no literals: this row stops "
                    "all schedules.",
                    "Write literals only.",
                )
                return
    if signature is not None and "*" not in given:
        args = values.get("args", ())
        kwargs = values.get("kwargs", {})
        dynamic = any(name in given and name not in values for name in ("args", "kwargs"))
        if not dynamic and isinstance(args, tuple) and isinstance(kwargs, dict):
            keywords = {str(key) for key in kwargs} - {"q_options"}
            extra = constant(given.get("intended_date_kwarg"))
            keywords |= {extra} if isinstance(extra, str) else set()
            if misfit := signature.misfit(len(args), keywords):
                yield found(call, f"The scheduled function {misfit}.", "Give it what it takes.")
    cron = constant(given.get("cron"))
    if isinstance(cron, str) and cron and not croniter.is_valid(cron):
        yield found(
            given["cron"],
            f"The cron expression {cron!r} is not valid: this row stops all schedules.",
            "Use numbers and three-letter names.",
        )
    cluster = constant(given.get("cluster"))
    if isinstance(cluster, str) and cluster and clusters is not None and cluster not in clusters:
        yield found(
            given["cluster"],
            f"No cluster is named {cluster!r}; the schedule never runs.",
            "Add it to Q_CLUSTER['ALT_CLUSTERS'] and run a qcluster for it.",
        )
    kind = given.get("schedule_type")
    text = module.text(kind).rsplit(".", 1)[-1] if kind is not None else ""
    if text in AT_ONCE and "next_run" not in given:
        yield found(
            call,
            f"A {text} schedule without next_run runs at once, and then at that hour.",
            "Give next_run, or a cron expression.",
            Level.WARNING,
        )
    yield from _place(context, module, call)


def _place(context: Context, module: ModuleIndex, call: ast.Call) -> Iterator[Finding]:
    scopes = [scope for scope in module.scopes_of(call) if isinstance(scope, FUNCTIONS)]
    where = "when the module is imported" if not scopes else ""
    if any(scope.name == "ready" for scope in scopes):
        where = "in ready(), in every process that starts"
    if where:
        yield context.at(
            RULE,
            Level.ERROR,
            module,
            call,
            f"A schedule is made {where}.",
            "Make it in a management command, setup_schedules.",
        )


_JOBS = "def send(order=1):\n    pass\n"
_IMPORT = "from django_q.models import Schedule\nfrom django_q.tasks import schedule\n\n\n"

EXAMPLES = (
    Example(
        "functions, arguments, times",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": _JOBS,
            "shop/a.py": _IMPORT + "def setup():\n"
            "    Schedule.objects.create(func='shop.jobs.gone')\n"
            "    Schedule.objects.create(func='shop.jobs.send', args='order')\n"
            "    Schedule.objects.create(func='shop.jobs.send', args='1, 2')\n"
            "    Schedule.objects.update_or_create(name='a', defaults={'func': 'shop.jobs.send',\n"
            "        'cron': '0 0 * * monday'})\n"
            "    schedule('shop.jobs.send', schedule_type=Schedule.WEEKLY)\n",
        },
        ("shop/a.py:6", "shop/a.py:7", "shop/a.py:8", "shop/a.py:10", "shop/a.py:11"),
    ),
    Example(
        "made at import and in ready()",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": _JOBS,
            "shop/a.py": _IMPORT + "schedule('shop.jobs.send', cron='0 * * * *')\n\n\n"
            "class Config:\n    def ready(self):\n        schedule('shop.jobs.send', minutes=3)\n",
        },
        ("shop/a.py:5", "shop/a.py:10"),
    ),
    Example(
        "rows that are fine",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": _JOBS,
            "shop/a.py": _IMPORT + "def setup():\n"
            "    Schedule.objects.create(func='shop.jobs.send', args='1', cron='0 0 * * mon')\n"
            "    schedule('shop.jobs.send', 3, name='x', minutes=5)\n",
        },
    ),
)
