"""Schedules made in code: their function, arguments, time and place.

One row whose arguments are no literals, or whose cron expression is bad, stops every schedule
in silence; kwargs that are none are taken for {}. A schedule made at import or in `ready()`, by a
function that is called there too, is made again in each process. DAILY, WEEKLY and their like
without a next_run start at once, whatever hour was meant. A cron expression with both days fires
when either matches. The rows of the generated command are looked at as well.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from croniter import croniter

from celery2q.calls import known_clusters, target_of
from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.scheduled import Scheduled, is_none, scheduled
from celery2q.schedules.crontab import fires
from celery2q.tasks import constant

RULE = "schedule-row"
AT_ONCE = {
    "H": "HOURLY", "D": "DAILY", "W": "WEEKLY", "BW": "BIWEEKLY", "M": "MONTHLY",
    "BM": "BIMONTHLY", "Q": "QUARTERLY", "Y": "YEARLY",
}  # fmt: skip
#: What a schedule of a type must have beside it.
NEEDED = {"CRON": "cron", "C": "cron", "MINUTES": "minutes", "I": "minutes"}


def check(context: Context) -> Iterator[Finding]:
    """Find every place that makes one."""
    clusters = known_clusters(context)
    outside = _called_outside(context)
    for module in context.modules:
        if "/migrations/" in f"/{module.path}":
            continue
        for call in module.calls:
            row = scheduled(context, module, call)
            if row is not None:
                yield from _Check(context, module, row).run(clusters)
                if not row.generated:
                    yield from _place(context, module, call, outside)


class _Check:
    """One schedule under examination."""

    def __init__(self, context: Context, module: ModuleIndex, row: Scheduled) -> None:
        self.context = context
        self.module = module
        self.row = row

    def found(self, node: ast.AST, message: str, fix: str, level: Level = Level.ERROR) -> Finding:
        """A finding at a node."""
        return self.context.at(RULE, level, self.module, node, message, fix)

    def run(self, clusters: set[str] | None) -> Iterator[Finding]:
        """All that speaks against it.

        Args:
            clusters: names that Q_CLUSTER serves; None where it cannot be read.
        """
        fields = self.row.fields
        yield from self.function()
        for node, what in self.row.bad:
            yield self.found(node, f"The schedule's {what}", "Write literals only.")
        yield from self.time()
        hook = fields.get("hook")
        if hook is not None and not is_none(hook):
            if problem := target_of(self.context, self.module, hook).problem:
                yield self.found(
                    hook,
                    f"The hook does not resolve: {problem}",
                    "Name a function at a module's top.",
                )
        cluster = constant(fields.get("cluster"))
        if isinstance(cluster, str) and cluster and clusters is not None:
            if cluster not in clusters:
                yield self.found(
                    fields["cluster"],
                    f"No cluster is named {cluster!r}; the schedule never runs.",
                    "Add it to Q_CLUSTER['ALT_CLUSTERS'] and run a qcluster for it.",
                )

    def function(self) -> Iterator[Finding]:
        """The function, and the arguments against its parameters."""
        row = self.row
        if "func" not in row.fields:
            return
        target = target_of(self.context, self.module, row.fields["func"])
        if target.problem:
            yield self.found(
                row.fields["func"],
                f"The scheduled function does not resolve: {target.problem}",
                "Name a function at a module's top.",
            )
        if target.signature is None or row.args is None or row.kwargs is None:
            return
        names = set(row.kwargs - {"q_options"})
        if swallowed := sorted(names & target.signature.reserved):
            yield self.found(
                row.call,
                f"async_task keeps {', '.join(swallowed)}= of the schedule's kwargs for itself; "
                f"{target.path} has a parameter of that name and does not get it.",
                "Rename the parameter, or give it by position.",
            )
            return
        extra = constant(row.fields.get("intended_date_kwarg"))
        names |= {extra} if isinstance(extra, str) else set()
        if misfit := target.signature.misfit(row.args, names):
            yield self.found(
                row.call, f"The scheduled function {misfit}.", "Give it what it takes."
            )

    def time(self) -> Iterator[Finding]:
        """When it runs."""
        fields = self.row.fields
        cron = constant(fields.get("cron"))
        if isinstance(cron, str) and cron:
            parts = cron.split()
            if not croniter.is_valid(cron):
                yield self.found(
                    fields["cron"],
                    f"The cron expression {cron!r} is not valid: this row stops all schedules.",
                    "Use numbers and three-letter names.",
                )
            elif not fires(cron):
                yield self.found(
                    fields["cron"],
                    f"The cron expression {cron!r} names a day that no month has: this row stops "
                    "all schedules.",
                    "Name a day that exists.",
                )
            elif len(parts) >= 5 and parts[2] != "*" and parts[4] != "*":
                yield self.found(
                    fields["cron"],
                    f"The cron expression {cron!r} fires when the day of the month or the day of "
                    "the week matches; Celery's crontab wants both.",
                    "Keep one of them and test the other one in the task.",
                    Level.WARNING,
                )
        kind = fields.get("schedule_type")
        text = constant(kind)
        if kind is not None and not isinstance(text, str):
            text = self.module.text(kind).rsplit(".", 1)[-1]
        name = AT_ONCE.get(str(text), str(text))
        if name in AT_ONCE.values() and "next_run" not in fields:
            yield self.found(
                self.row.call,
                f"A {name} schedule without next_run runs at once, and then at that hour.",
                "Give next_run, or a cron expression.",
                Level.WARNING,
            )
        needed = NEEDED.get(str(text))
        if needed and needed not in fields and not self.row.generated and self._complete():
            yield self.found(
                self.row.call,
                f"A schedule of the type {text} without {needed}= has no time: it stops all "
                "schedules.",
                f"Give {needed}=.",
            )

    def _complete(self) -> bool:
        """Whether all fields are seen."""
        return all(keyword.arg is not None for keyword in self.row.call.keywords)


def _called_outside(context: Context) -> dict[str, str]:
    """{function that makes schedules or may: where it is called}, at import or in ready()."""
    found: dict[str, str] = {}
    for module in context.modules:
        for call in module.calls:
            where = _where(module, call)
            if where:
                dotted = context.project.resolve(module, call.func)
                if dotted and dotted.split(".")[0] in context.project.packages:
                    found.setdefault(dotted, where)
    return found


def _where(module: ModuleIndex, node: ast.AST) -> str:
    """When a call is made, where it is made in every process; else ""."""
    scopes = [scope for scope in module.scopes_of(node) if not isinstance(scope, ast.Module)]
    functions = [scope for scope in scopes if isinstance(scope, (*FUNCTIONS, ast.Lambda))]
    if not functions:
        # `if __name__ == "__main__"` is no import.
        return "" if _under_main(module, node) else "when the module is imported"
    if any(isinstance(scope, FUNCTIONS) and scope.name == "ready" for scope in functions):
        return "in ready(), in every process that starts"
    return ""


def _under_main(module: ModuleIndex, node: ast.AST) -> bool:
    current = module.parents.get(node)
    while current is not None:
        if isinstance(current, ast.If) and "__main__" in module.text(current.test):
            return True
        current = module.parents.get(current)
    return False


def _place(
    context: Context, module: ModuleIndex, call: ast.Call, outside: dict[str, str]
) -> Iterator[Finding]:
    where = _where(module, call)
    for scope in module.scopes_of(call):
        if not where and isinstance(scope, FUNCTIONS):
            where = outside.get(f"{module.name}.{module.qualname(scope)}", "")
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
        "arguments of schedule(), kwargs, hooks, types",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "def send(order=1, timeout=None):\n    pass\n",
            "shop/a.py": _IMPORT + "def setup():\n"
            "    schedule('shop.jobs.send', 1, 2, 3, minutes=5)\n"
            "    schedule('shop.jobs.send', nope=1, minutes=5)\n"
            "    schedule('shop.jobs.send', hook='shop.jobs.gone', minutes=5)\n"
            "    schedule('shop.jobs.send', schedule_type='D')\n"
            "    schedule('shop.jobs.send', schedule_type='C')\n"
            "    schedule('shop.jobs.send', schedule_type=Schedule.MINUTES)\n"
            "    schedule('shop.jobs.send', cron='0 0 1 * 1')\n"
            "    Schedule.objects.create(func='shop.jobs.send', kwargs=\"{'order': Order}\")\n"
            "    Schedule.objects.create(func='shop.jobs.send', kwargs='timeout=3')\n"
            "    schedule('shop.jobs.send', cron='0 0 31 2 *')\n",
        },
        tuple(f"shop/a.py:{line}" for line in range(6, 16)),
    ),
    Example(
        "made by a function that ready() or the module calls",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": _JOBS,
            "shop/plan.py": _IMPORT + "def make():\n    schedule('shop.jobs.send', minutes=3)\n\n\n"
            "def own():\n    schedule('shop.jobs.send', minutes=4)\n\n\nown()\n",
            "shop/apps.py": "# django_q\nfrom shop.plan import make\n\n\nclass Config:\n"
            "    def ready(self):\n        make()\n",
        },
        ("shop/plan.py:6", "shop/plan.py:10"),
    ),
    Example(
        "rows of the generated command",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "Q_CLUSTER = {'name': 'shop', 'ALT_CLUSTERS': {'slow': {}}}\n",
            "shop/jobs.py": _JOBS,
            "shop/management/__init__.py": "",
            "shop/management/commands/__init__.py": "",
            "shop/management/commands/setup_schedules.py": "# django_q\n"
            "class Row:\n    pass\n\n\nSCHEDULES = (\n"
            "    Row(name='a', func='shop.jobs.gone', cron='0 0 * * *'),\n"
            "    Row(name='b', func='shop.jobs.send', cron='0 0 * * monday'),\n"
            "    Row(name='c', func='shop.jobs.send', minutes=3, args=(1, 2)),\n"
            "    Row(name='d', func='shop.jobs.send', minutes=3, cluster='gis'),\n"
            "    Row(name='e', func='shop.jobs.send', minutes=3, args=(1,), cluster='slow'),\n)\n",
        },
        tuple(f"shop/management/commands/setup_schedules.py:{line}" for line in range(7, 11)),
    ),
    Example(
        "rows that are fine",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": _JOBS,
            "shop/a.py": _IMPORT + "def setup():\n"
            "    Schedule.objects.create(func='shop.jobs.send', args='1', cron='0 0 * * mon')\n"
            "    schedule('shop.jobs.send', 3, name='x', minutes=5)\n"
            "    schedule('shop.jobs.send', order=3, schedule_type='W', next_run=now())\n"
            "    schedule('shop.jobs.send', *rows, **more)\n"
            "    Schedule.objects.create(func='shop.jobs.send', kwargs='order=3', minutes=5)\n\n\n"
            "if __name__ == '__main__':\n    setup()\n",
        },
    ),
)
