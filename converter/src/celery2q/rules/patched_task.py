"""Tests that patch `.delay` or `.apply_async` of a task, and settings that run tasks at once.

`mock.patch("shop.tasks.send.delay")` becomes the helper's `patch_task("shop.tasks.send")`: its
mock is called with the same arguments. For `.apply_async`, whose mock was called with `args=`
and `kwargs=`, where the test asks no more than whether, how often and with what it was called;
an assertion about `countdown=` and the like is lost, with a warning. Patches of what is no task
any more, and of Celery's own names in a module (`"shop.views.AsyncResult"`), are findings.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.mocks import assertions
from celery2q.send import quote
from celery2q.tasks import TaskDef

RULE = "patched-task"
KIND = "calls"
ONCE = True  # the lost assertions cannot be found in the converted tree
METHODS = ("delay", "apply_async", "delay_on_commit", "apply_async_on_commit")
#: Those that nothing but a task of Celery's has.
OWN = METHODS[1:]
#: Names of Celery's that tests patch in the modules that import them.
IMPORTED = frozenset(("AsyncResult", "GroupResult", "current_task", "current_app"))


def check(context: Context) -> Iterator[Finding]:
    """Find the patches."""
    for module in context.modules:
        for call in module.calls:
            text = module.text(call.func)
            if text.endswith("override_settings") or text.endswith("self.settings"):
                for keyword in call.keywords:
                    if keyword.arg and keyword.arg.endswith("ALWAYS_EAGER"):
                        yield context.at(
                            RULE,
                            Level.ERROR,
                            module,
                            keyword.value,
                            f"{keyword.arg} is overridden, which Django-Q2 does not hear.",
                            'Set Q_CLUSTER["sync"] in the settings of the tests, or patch '
                            "django_q.conf.Conf.SYNC.",
                        )
            elif "patch" in text:
                yield from _check(context, module, call, text)


def _check(context: Context, module: ModuleIndex, call: ast.Call, text: str) -> Iterator[Finding]:
    if text.endswith("patch.object") and len(call.args) >= 2:
        task = context.registry.task_at(module, call.args[0])
        method = getattr(call.args[1], "value", None)
        rest = call.args[2:]
    elif text.endswith("patch") and call.args and isinstance(call.args[0], ast.Constant):
        dotted = call.args[0].value
        if not isinstance(dotted, str):
            return
        path, _, method = dotted.rpartition(".")
        task = _task(context, path)
        rest = call.args[1:]
        if task is None and (whole := _task(context, dotted)) is not None:
            yield from _whole(context, module, call, whole, dotted)
            return
        if task is None and (gone := _gone(context, dotted)):
            yield context.at(RULE, Level.ERROR, module, call.args[0], *gone)
            return
    else:
        return
    if task is None or method not in METHODS:
        return
    message = f"A test patches {task.path}.{method}, which is gone."
    plain = not rest and all(
        keyword.arg in ("side_effect", "return_value", "autospec") for keyword in call.keywords
    )
    asserted = [] if method in ("delay", "delay_on_commit") else assertions(module, call)
    if not plain or asserted is None:
        yield context.at(
            RULE,
            Level.ERROR,
            module,
            call,
            message,
            f'Use patch_task("{task.path}") of {context.helper}; its mock is called with the '
            "task's own arguments.",
        )
        return
    target = quote(task.path, module)

    def replace(old: cst.Call) -> cst.Call:
        kept = [arg for arg in old.args if arg.keyword and arg.keyword.value in ("side_effect",)]
        comma = cst.MaybeSentinel.DEFAULT
        first = cst.Arg(cst.parse_expression(target), comma=comma)
        return old.with_changes(func=cst.Name("patch_task"), args=[first, *kept])

    yield context.at(
        RULE,
        Level.ERROR,
        module,
        call,
        message,
        f"Use patch_task({target}) of {context.helper}.",
        edits=[
            module.edit(
                "Call",
                call,
                replace,
                imports=[(context.helper, "patch_task")],
                drops=[n.id for n in ast.walk(call.func) if isinstance(n, ast.Name)],
            ),
            *(item.edit(module) for item in asserted),
        ],
    )
    for item in asserted:
        if item.lost:
            yield context.at(
                RULE,
                Level.WARNING,
                module,
                item.call,
                f"A test asks for {', '.join(item.lost)} of a sending, which its mock does not "
                "hear any more.",
                "Look at the row of the queue (django_q.models.OrmQ) where it matters.",
            )


def _task(context: Context, dotted: str) -> TaskDef | None:
    return context.registry.tasks.get(context.project.canonical(dotted)) if dotted else None


def _gone(context: Context, dotted: str) -> tuple[str, str] | None:
    """Message and fix where a patched name is Celery's, or a method of what is no task."""
    path, _, name = dotted.rpartition(".")
    owner = context.project.canonical(path)
    found = context.project.definition(owner)
    if name in METHODS and found is not None and isinstance(found[1].node, FUNCTIONS):
        return (
            f"A test patches {owner}.{name}, and {owner} is a plain function.",
            f'Use patch_task("{owner}") of {context.helper}.',
        )
    place, rest = context.project.split(path)
    if place is None:
        return None
    if name in OWN and rest and "." not in rest and found is None:
        return (
            f"A test patches {dotted}, and nothing here says what {path} is; only Celery's tasks "
            "have such a method.",
            f"Use patch_task of {context.helper} with the path of the function.",
        )
    target = context.project.canonical(dotted)
    unbound = not rest and name not in place.top and not place.stars
    if name in IMPORTED and (unbound or target.startswith("celery.")):
        return (
            f"A test patches {dotted}, which is Celery's.",
            "Patch what stands there now in its place.",
        )
    return None


def _whole(
    context: Context, module: ModuleIndex, call: ast.Call, task: TaskDef, dotted: str
) -> Iterator[Finding]:
    """A patch of the task itself where another module imports it."""
    place, _, _name = dotted.rpartition(".")
    if place == task.module.name:
        return
    yield context.at(
        RULE,
        Level.ERROR,
        module,
        call,
        f"A test patches {dotted}, and that module may import the task no more.",
        f'Use patch_task("{task.path}") of {context.helper}, unless it is called there directly.',
    )


_TASKS = "from celery import shared_task\n\n\n@shared_task\ndef send(order):\n    pass\n"
_VIEWS = "from shop.tasks import send\n\n\ndef view():\n    send.delay(1)\n"
_BASE = {"shop/__init__.py": "", "shop/tasks.py": _TASKS, "shop/views.py": _VIEWS}

EXAMPLES = (
    Example(
        "patches of delay",
        _BASE
        | {
            "shop/tests.py": "from unittest import mock\n\nfrom shop import tasks\n\n\n"
            '@mock.patch("shop.views.send.delay")\ndef test_one(delay):\n'
            "    delay.assert_called_once_with(1)\n\n\n"
            'def test_two():\n    with mock.patch.object(tasks.send, "delay") as delay:\n'
            "        delay.assert_called_once_with(1)\n",
        },
        ("shop/tests.py:6", "shop/tests.py:12"),
        {
            "shop/tests.py": "from shop import tasks\nfrom shop.q_tasks import patch_task\n\n\n"
            '@patch_task("shop.tasks.send")\ndef test_one(delay):\n'
            "    delay.assert_called_once_with(1)\n\n\n"
            'def test_two():\n    with patch_task("shop.tasks.send") as delay:\n'
            "        delay.assert_called_once_with(1)\n",
        },
    ),
    Example(
        "patches of apply_async that assert its arguments, the innermost decorator first",
        _BASE
        | {
            "shop/tests.py": "from unittest import mock\n\n\n"
            '@mock.patch("shop.mail.connect")\n'
            '@mock.patch("shop.tasks.send.apply_async")\ndef test_one(sent, connect):\n'
            "    sent.assert_called_once_with(args=[1], kwargs={'a': 2}, countdown=5)\n"
            "    sent.assert_any_call((1,), queue='slow')\n"
            "    sent.assert_called_with(args=numbers, kwargs=names)\n"
            "    assert sent.call_count == 1 and connect.call_args == 3\n"
        },
        ("shop/tests.py:5", "shop/tests.py:7", "shop/tests.py:8"),
        {
            "shop/tests.py": "from unittest import mock\n\n"
            "from shop.q_tasks import patch_task\n\n\n"
            '@mock.patch("shop.mail.connect")\n'
            '@patch_task("shop.tasks.send")\ndef test_one(sent, connect):\n'
            "    sent.assert_called_once_with(1, a=2)\n"
            "    sent.assert_any_call(1)\n"
            "    sent.assert_called_with(*numbers, **names)\n"
            "    assert sent.call_count == 1 and connect.call_args == 3\n"
        },
    ),
    Example(
        "patches of apply_async that look at its arguments, and of the task itself",
        _BASE
        | {
            "shop/tests.py": "from unittest import mock\n\n\ndef test_one():\n"
            '    with mock.patch("shop.tasks.send.apply_async") as sent:\n'
            "        assert sent.call_args.kwargs['args'] == [1]\n"
            '    with mock.patch("shop.views.send"):\n        pass\n',
        },
        ("shop/tests.py:5", "shop/tests.py:7"),
    ),
    Example(
        "patches of what is no task, of what cannot be followed, and of Celery's own names",
        {
            "shop/__init__.py": "",
            "shop/jobs.py": "from celery.result import AsyncResult\n\n\ndef send():\n    pass\n",
            "shop/views.py": "from shop.jobs import send\nfrom shop.away import late\n",
            "shop/tests.py": "from unittest.mock import patch\n\n"
            'patch("shop.views.send.delay")\npatch("shop.views.late.apply_async")\n'
            'patch("shop.jobs.AsyncResult", None)\npatch("shop.views.current_task")\n',
        },
        tuple(f"shop/tests.py:{line}" for line in (3, 4, 5, 6)),
    ),
    Example(
        "a patch of something else",
        _BASE
        | {
            "shop/pool.py": "current_task = None\nworkers = pool()\n",
            "shop/tests.py": '# celery\nfrom unittest import mock\n\nmock.patch("shop.x.delay")\n'
            'mock.patch("other.views.AsyncResult")\nmock.patch("shop.pool.current_task")\n'
            'mock.patch("shop.pool.workers.apply_async")\nmock.patch("shop.views.late.delay")\n',
        },
    ),
)
