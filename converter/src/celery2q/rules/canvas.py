"""`chain`, `group`, `|`, `.s()`, `.si()`: sent step by step where the meaning is the same.

A chain becomes the helper's `enqueue_chain`, which ends at a failed step and can hand a result
on, as Celery's does (Django-Q2's `async_chain` goes on after a failure, and needs saved
results). A group whose result nobody uses becomes its members, each sent on its own. A chord, a
stored signature, callbacks and `.set()` are findings.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import ModuleIndex
from celery2q.results import result_use
from celery2q.send import quote
from celery2q.signatures import RESERVED
from celery2q.tasks import TaskDef

RULE = "canvas"
KIND = "calls"
SIGNATURES = frozenset(("s", "si", "signature", "subtask"))
PRIMITIVES = frozenset(
    f"celery.{prefix}{name}"
    for prefix in ("", "canvas.")
    for name in ("chain", "group", "chord", "signature", "chunks", "xmap", "xstarmap", "subtask")
)
SENDS = ("delay", "apply_async")


def check(context: Context) -> Iterator[Finding]:
    """Find every use of Celery's canvas."""
    for module in context.modules:
        covered: set[ast.AST] = set()
        for call in module.calls:
            whole = _sent(module, call)
            if whole is None or call in covered:
                continue
            finding = _check_sent(context, module, call, whole)
            if finding is not None:
                covered.update(ast.walk(call))
                yield finding
        for call in module.calls:
            if call not in covered and not _in_beat(module, call):
                yield from _check_rest(context, module, call)


def _in_beat(module: ModuleIndex, node: ast.AST) -> bool:
    """Whether a signature stands in add_periodic_task(…), which another rule reads."""
    parent = module.parents.get(node)
    return (
        isinstance(parent, ast.Call)
        and isinstance(parent.func, ast.Attribute)
        and parent.func.attr == "add_periodic_task"
    )


def _sent(module: ModuleIndex, call: ast.Call) -> ast.expr | None:
    """What `….delay()`, `….apply_async()` or `chain(…)()` sends, if that looks like a canvas."""
    if call.args or call.keywords:
        return None
    if isinstance(call.func, ast.Attribute) and call.func.attr in SENDS:
        return call.func.value
    return call.func if isinstance(call.func, ast.Call) else None


def _primitive(context: Context, module: ModuleIndex, node: ast.AST) -> str:
    dotted = context.project.resolve(module, node.func) if isinstance(node, ast.Call) else None
    return dotted.rsplit(".", 1)[1] if dotted in PRIMITIVES else ""


def _steps(context: Context, module: ModuleIndex, node: ast.expr) -> list[ast.expr] | None:
    """The members of a chain."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left = _steps(context, module, node.left) or [node.left]
        return [*left, node.right]
    if _primitive(context, module, node) == "chain":
        return list(node.args)  # type: ignore[attr-defined]
    return None


def _signature(
    context: Context, module: ModuleIndex, node: ast.AST
) -> tuple[TaskDef, ast.Call, bool] | None:
    """A task's signature: the task, the call, whether it takes no result (`.si`)."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return None
    if node.func.attr not in ("s", "si"):
        return None
    task = context.registry.task_at(module, node.func.value)
    plain = not any(isinstance(arg, ast.Starred) for arg in node.args) and all(
        keyword.arg for keyword in node.keywords
    )
    return (task, node, node.func.attr == "si") if task is not None and plain else None


def _check_sent(
    context: Context, module: ModuleIndex, call: ast.Call, whole: ast.expr
) -> Finding | None:
    steps = _steps(context, module, whole)
    kind = "chain" if steps is not None else _primitive(context, module, whole)
    single = _signature(context, module, whole)
    if single is not None:
        steps, kind = [whole], "signature"
    if kind not in ("chain", "group", "signature"):
        return None
    used = result_use(module, call).kind != "none"
    if kind == "group":
        return _check_group(context, module, call, whole, used)
    members = [_signature(context, module, step) for step in steps or []]
    clusters = {context.cluster_of(member[0]) for member in members if member}
    plain = [member for member in members if member]
    if not members or len(plain) < len(members) or used or len(clusters) > 1:
        return None
    return _chain_finding(context, module, call, plain, clusters.pop())


def _chain_finding(
    context: Context,
    module: ModuleIndex,
    call: ast.Call,
    members: list[tuple[TaskDef, ast.Call, bool]],
    cluster: str,
) -> Finding:
    texts = []
    for index, (task, node, immutable) in enumerate(members):
        takes = ", True" if index and not immutable else ""
        texts.append(f"({_step_text(module, task, node)}{takes})")
    option = f", cluster={quote(cluster, module)}" if cluster else ""
    text = f"enqueue_chain([{', '.join(texts)}]{option})"
    if len(text) > 90:  # LibCST adds the block's own indent
        rows = "".join(f"    {part},\n" for part in texts)
        text = f"enqueue_chain([\n{rows}]{option})"
    return context.at(
        RULE,
        Level.ERROR,
        module,
        call,
        f"A chain of {len(members)} Celery tasks is sent.",
        "Send it with the helper's enqueue_chain, which ends at a failed step as Celery does.",
        edits=[
            module.edit(
                "Call",
                call,
                lambda _: cst.parse_expression(text),
                imports=[(context.helper, "enqueue_chain")],
                drops=_loads(call),
            )
        ],
    )


def _loads(node: ast.AST) -> tuple[str, ...]:
    return tuple(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))


def _step_text(module: ModuleIndex, task: TaskDef, node: ast.Call) -> str:
    args = "".join(f"{module.text(arg)}, " for arg in node.args)
    args = f"({args.rstrip()})" if len(node.args) == 1 else f"({args.rstrip(', ')})"
    mark = quote("", module)[0]
    kwargs = ", ".join(
        f"{mark}{keyword.arg}{mark}: {module.text(keyword.value)}" for keyword in node.keywords
    )
    return f"{quote(task.path, module)}, {args}, {{{kwargs}}}"


def _call_text(
    context: Context, module: ModuleIndex, member: tuple[TaskDef, ast.Call, bool]
) -> tuple[str, str]:
    """The sending of one member, and the function it needs."""
    task, node, _ = member
    if any(keyword.arg in RESERVED for keyword in node.keywords):
        args = _step_text(module, task, node).split(", ", 1)
        cut = args[1].rindex(", {")
        inner = f"{args[0]}, args={args[1][:cut]}, kwargs={args[1][cut + 2 :]}"
        function = "enqueue"
    else:
        parts = [quote(task.path, module), *(module.text(arg) for arg in node.args)]
        parts += [f"{keyword.arg}={module.text(keyword.value)}" for keyword in node.keywords]
        inner, function = ", ".join(parts), "async_task"
    cluster = context.cluster_of(task)
    option = f", cluster={quote(cluster, module)}" if cluster else ""
    return f"{function}({inner}{option})", function


def _check_group(
    context: Context, module: ModuleIndex, call: ast.Call, whole: ast.expr, used: bool
) -> Finding | None:
    statement = module.parents[call]
    assert isinstance(whole, ast.Call)
    if used or not isinstance(statement, ast.Expr) or whole.keywords:
        return None
    source = whole.args
    loop = None
    if len(source) == 1 and isinstance(source[0], ast.GeneratorExp | ast.ListComp):
        loop = source[0]
        source = [loop.elt]
    elif len(source) == 1 and isinstance(source[0], ast.List | ast.Tuple):
        source = source[0].elts
    members = [member for arg in source if (member := _signature(context, module, arg))]
    if not members or len(members) < len(source) or (loop and len(loop.generators) > 1):
        return None
    sends = [_call_text(context, module, member) for member in members]
    if loop is not None:
        part = loop.generators[0]
        tests = "".join(f"if {module.text(test)}: " for test in part.ifs)
        text = f"for {module.text(part.target)} in {module.text(part.iter)}:\n    "
        text += f"{tests}{sends[0][0]}\n" if len(part.ifs) < 2 else ""
        if len(part.ifs) > 1:
            return None
    else:
        text = "".join(f"{line}\n" for line, _ in sends)

    def replace(old: cst.SimpleStatementLine):
        new = list(cst.parse_module(text).body)
        new[0] = new[0].with_changes(leading_lines=old.leading_lines)
        return cst.FlattenSentinel(new)

    edit = module.edit(
        "SimpleStatementLine",
        statement,
        replace,
        imports=[(context.home(name, module), name) for name in {name for _, name in sends}],
        drops=_loads(call),
    )
    return context.at(
        RULE,
        Level.ERROR,
        module,
        call,
        "A group of Celery tasks is sent.",
        "Send its members one by one.",
        edits=[edit],
    )


def _check_rest(context: Context, module: ModuleIndex, call: ast.Call) -> Iterator[Finding]:
    name = _primitive(context, module, call)
    if name:
        yield context.at(
            RULE,
            Level.ERROR,
            module,
            call,
            f"Celery's {name}(…) is built here, and cannot be sent step by step as it stands.",
            "Rewrite it: enqueue_chain for steps in a row, one async_task each for a group, "
            "a count in the database for a chord.",
        )
    elif isinstance(call.func, ast.Attribute) and call.func.attr in SIGNATURES:
        task = context.registry.task_at(module, call.func.value)
        if task is not None:
            yield context.at(
                RULE,
                Level.ERROR,
                module,
                call,
                f"A signature of {task.path} is made, which only Celery can send.",
                "Keep the dotted path and the arguments, and send them with async_task.",
            )


_TASKS = "from celery import shared_task\n\n\n@shared_task\ndef send(order):\n    pass\n"

EXAMPLES = (
    Example(
        "chains, in both spellings",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from celery import chain\n\nfrom shop.tasks import send\n\n\n"
            "def view():\n    chain(send.si(1), send.si(order=2)).delay()\n"
            "    (send.s(1) | send.s()).apply_async()\n",
        },
        ("shop/views.py:7", "shop/views.py:8"),
        {
            "shop/views.py": "from shop.q_tasks import enqueue_chain\n\n\ndef view():\n"
            '    enqueue_chain([("shop.tasks.send", (1,), {}), '
            '("shop.tasks.send", (), {"order": 2})])\n'
            '    enqueue_chain([("shop.tasks.send", (1,), {}), '
            '("shop.tasks.send", (), {}, True)])\n'
        },
    ),
    Example(
        "groups nobody waits for",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from celery import group\n\nfrom shop.tasks import send\n\n\n"
            "def view(orders):\n    group(send.s(order.pk) for order in orders)()\n"
            "    group(send.s(1), send.s(2)).delay()\n",
        },
        ("shop/views.py:7", "shop/views.py:8"),
        {
            "shop/views.py": "from django_q.tasks import async_task\n\n\ndef view(orders):\n"
            "    for order in orders:\n"
            '        async_task("shop.tasks.send", order.pk)\n'
            '    async_task("shop.tasks.send", 1)\n    async_task("shop.tasks.send", 2)\n'
        },
    ),
    Example(
        "a chord, a kept signature and a group somebody waits for",
        {
            "shop/__init__.py": "",
            "shop/tasks.py": _TASKS,
            "shop/views.py": "from celery import chord, group\n\nfrom shop.tasks import send\n\n"
            "chord([])\nkept = send.s(1)\nresult = group(send.s(1))()\n",
        },
        ("shop/views.py:5", "shop/views.py:6", "shop/views.py:7", "shop/views.py:7"),
    ),
    Example(
        "a chain of another kind",
        {
            "shop/__init__.py": "",
            "shop/views.py": "import celery\nfrom itertools import chain\n\nchain([1], [2])\n",
        },
    ),
)
