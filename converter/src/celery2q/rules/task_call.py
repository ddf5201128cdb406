"""`.delay(…)` and `.apply_async(…)` on a task become `async_task` or the helper's `enqueue`.

The dotted path is the task's own. A queue becomes a cluster. Arguments whose names async_task
would keep for itself, and `countdown=`, `eta=` and `task_id=`, go through the helper.
`delay_on_commit` and tasks whose base class waits for the commit become
`transaction.on_commit(partial(async_task, …))`. Where the result is used as more than an id, or
another task hangs on this one, the call stays.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from celery2q.build import needed_imports, sending
from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level
from celery2q.index import ModuleIndex
from celery2q.results import Use, result_use
from celery2q.send import HARMLESS, LOST, CannotSend, plan, values_of

RULE = "task-call"
KIND = "calls"
#: Method → (whether it is apply_async's form, whether it waits for the commit).
METHODS = {
    "delay": (False, False),
    "apply_async": (True, False),
    "delay_on_commit": (False, True),
    "apply_async_on_commit": (True, True),
}
LINE = 99


def check(context: Context) -> Iterator[Finding]:
    """Find every call of `.delay` and `.apply_async` on something that is a task."""
    for module in context.modules:
        for call in module.calls:
            func = call.func
            if isinstance(func, ast.Attribute) and func.attr in METHODS:
                finding = _check_call(context, module, call, func)
                if finding is not None:
                    yield finding


def _check_call(
    context: Context, module: ModuleIndex, call: ast.Call, func: ast.Attribute
) -> Finding | None:
    apply, on_commit = METHODS[func.attr]
    task = context.registry.task_at(module, func.value)
    if task is None and not values_of(context, module, func.value):
        return None
    name = task.path if task is not None else module.text(func.value)
    message = f"{name} is sent with .{func.attr}()"
    try:
        send = plan(context, module, call, task, func.value, apply, on_commit)
        use = result_use(module, call)
        if use.kind == "used":
            raise CannotSend(f"its result is used ({use.detail})")
    except CannotSend as reason:
        return context.at(
            RULE,
            Level.ERROR,
            module,
            call,
            f"{message}, and {reason}.",
            "Send it with async_task and keep what hangs on it by hand.",
        )
    way = f"{send.function}({send.target}, …)"
    if send.on_commit:
        way = f"transaction.on_commit(partial({send.function}, {send.target}, …))"
    return context.at(
        RULE,
        Level.ERROR,
        module,
        call,
        f"{message}; a plain function has no such method.",
        f"Send it with {way}.",
        edits=[
            module.edit(
                "Call",
                call,
                lambda node: sending(node, send, apply, LINE - module.column(call)),
                imports=needed_imports(send, context.home(send.function, module)),
                drops=(*(drops(func.value) if task is not None else ()), *_lost(call)),
            ),
            *_id_edits(module, use),
        ],
    )


def _lost(call: ast.Call) -> list[str]:
    """Names in options that go."""
    return [
        inner.id
        for keyword in call.keywords
        if keyword.arg in LOST or keyword.arg in HARMLESS
        for inner in ast.walk(keyword.value)
        if isinstance(inner, ast.Name)
    ]


def drops(receiver: ast.expr) -> tuple[str, ...]:
    """The name whose import a receiver may be the last user of."""
    while isinstance(receiver, ast.Attribute | ast.Call):
        receiver = receiver.value if isinstance(receiver, ast.Attribute) else receiver.func
    return (receiver.id,) if isinstance(receiver, ast.Name) else ()


def _id_edits(module: ModuleIndex, use: Use) -> list[Edit]:
    return [module.edit("Attribute", node, lambda updated: updated.value) for node in use.ids]


_IMPORT = "from shop.q_tasks import enqueue\n"
_TASKS = "from celery import shared_task\n\n\n@shared_task\ndef send(order, kind=None):\n    pass\n"

EXAMPLES = (
    Example(
        "delay, with positional and keyword arguments",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from shop.tasks import send\n\n\ndef view(order):\n"
            "    send.delay(order.pk, kind='mail')  # now\n",
        },
        ("shop/views.py:5",),
        {
            "shop/views.py": "from django_q.tasks import async_task\n\n\ndef view(order):\n"
            "    async_task('shop.tasks.send', order.pk, kind='mail')  # now\n"
        },
    ),
    Example(
        "apply_async with a countdown, a queue and a module alias",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from shop import tasks as jobs\n\n"
            'jobs.send.apply_async((1,), {"kind": "x"}, countdown=5, queue="mail")\n',
        },
        ("shop/views.py:3",),
        {
            "shop/views.py": "from shop.q_tasks import enqueue\n\n"
            'enqueue("shop.tasks.send", args=(1,), kwargs={"kind": "x"}, countdown=5, '
            'cluster="mail")\n'
        },
    ),
    Example(
        "apply_async over several lines keeps its lines",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from .tasks import send\n\nsend.apply_async(\n    kwargs={\n"
            "        'order': 1,\n        'kind': None\n    }\n)\n",
        },
        ("shop/views.py:3",),
        {
            "shop/views.py": "from django_q.tasks import async_task\n\nasync_task(\n"
            "    'shop.tasks.send',\n    order=1,\n    kind=None\n)\n"
        },
    ),
    Example(
        "a name that async_task swallows goes through the helper",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": "from celery import shared_task\n\n\n@shared_task\n"
            "def send(order, timeout=3):\n    send.delay(order, timeout=timeout)\n",
        },
        ("shop/tasks.py:6",),
        {
            "shop/tasks.py": "from celery import shared_task\n\nfrom shop.q_tasks import enqueue\n"
            "\n\n@shared_task\ndef send(order, timeout=3):\n"
            '    enqueue("shop.tasks.send", args=(order,), kwargs={"timeout": timeout})\n'
        },
    ),
    Example(
        "a result of which only the id is used",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from .tasks import send\n\n\ndef view():\n    job = send.delay(1)\n"
            "    return job.id, send.delay(2).id\n",
        },
        ("shop/views.py:5", "shop/views.py:6"),
        {
            "shop/views.py": "from django_q.tasks import async_task\n\n\ndef view():\n"
            '    job = async_task("shop.tasks.send", 1)\n'
            '    return job, async_task("shop.tasks.send", 2)\n'
        },
    ),
    Example(
        "a result that is waited for stays",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from .tasks import send\n\nsend.delay(1).get(timeout=3)\n",
        },
        ("shop/views.py:3",),
    ),
    Example(
        "a task out of a table of tasks",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS + "\n\nJOBS = {'send': send}\n"
            "JOBS['send'].apply_async(args=[1], queue='mail' if JOBS else None)\n",
        },
        ("shop/tasks.py:10",),
        {
            "shop/tasks.py": _TASKS.replace("task\n", "task\n\n" + _IMPORT, 1)
            + "\n\nJOBS = {'send': send}\n"
            "enqueue(JOBS['send'], args=[1], queue='mail' if JOBS else None)\n"
        },
    ),
    Example(
        "delay_on_commit",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "import sys\n\nfrom shop.tasks import send\n\n\ndef view(order):\n"
            "    send.delay_on_commit(order.pk)\n",
        },
        ("shop/views.py:7",),
        {
            "shop/views.py": "import sys\nfrom functools import partial\n\n"
            "from django.db import transaction\nfrom django_q.tasks import async_task\n\n\n"
            "def view(order):\n"
            '    transaction.on_commit(partial(async_task, "shop.tasks.send", order.pk))\n'
        },
    ),
    Example(
        "in a module that apps.py loads before the apps are ready",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/apps.py": "from django.apps import AppConfig\n\nfrom . import handlers\n",
            "shop/handlers.py": "from .tasks import send\n\n\ndef saved():\n    send.delay(1)\n",
        },
        ("shop/handlers.py:5",),
        {
            "shop/handlers.py": "from shop.q_tasks import async_task\n\n\ndef saved():\n"
            '    async_task("shop.tasks.send", 1)\n'
        },
    ),
    Example(
        "a delay that is no task's",
        {"shop/__init__.py": "", "shop/views.py": "import celery\n\ntimer.delay(3)\n"},
    ),
)
