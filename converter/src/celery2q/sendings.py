"""Every way in which code hands a task to Django-Q2 or to the generated helper."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from celery2q.context import Context
from celery2q.index import ModuleIndex
from celery2q.signatures import RESERVED
from celery2q.tasks import constant

#: Django-Q2's functions that take the task's own arguments after its path.
PLAIN = ("django_q.tasks.async_task", "django_q.tasks.AsyncTask")
ITER = "django_q.tasks.async_iter"
CHAINS = ("django_q.tasks.async_chain", "django_q.tasks.Chain")
#: A module without any of these words sends nothing.
_SENDS = re.compile(r"async_task|AsyncTask|async_iter|async_chain|\bChain\b|enqueue")
#: Options of the helper's enqueue; everything else of a task stands in args and kwargs.
ENQUEUE = frozenset("func args kwargs countdown eta queue cluster timeout task_name group".split())


@dataclass(frozen=True, eq=False)
class Sending:
    """One task that is sent.

    Attributes:
        call: the call, or the step of a chain, that a finding points at.
        target: the expression of the function.
        args: the task's positional arguments; None where a `*` hides some.
        kwargs: its keyword arguments, without the sender's own options; None where a `**` or a
            variable hides some.
        options: the sender's own options.
        swallows: whether the sender keeps reserved keyword arguments for itself.
        partial: whether more arguments may follow when it is called.
    """

    call: ast.AST
    target: ast.expr
    args: list[ast.expr] | None
    kwargs: dict[str, ast.expr] | None
    options: dict[str, ast.expr] = field(default_factory=dict)
    swallows: bool = False
    partial: bool = False

    @property
    def values(self) -> list[ast.expr]:
        """All arguments of the task that can be seen."""
        return [*(self.args or []), *(self.kwargs or {}).values()]


def sendings(context: Context, module: ModuleIndex) -> Iterator[Sending]:
    """Every task that a module sends."""
    if not _SENDS.search(module.source.text):
        return
    for call in module.calls:
        name = context.project.resolve(module, call.func) or ""
        arguments, partial = call.args, False
        if name == "functools.partial" and call.args:
            name = context.project.resolve(module, call.args[0]) or ""
            arguments, partial = call.args[1:], True
        if name in (*PLAIN, f"{context.helper}.async_task"):
            yield from _plain(call, arguments, partial)
        elif name == ITER:
            target, options = _first(arguments, call)
            if target is not None:
                yield Sending(call, target, None, None, options)
        elif name == f"{context.helper}.enqueue":
            yield from _enqueue(call, arguments, partial)
        elif name in (*CHAINS, f"{context.helper}.enqueue_chain"):
            yield from _steps(arguments, call)
        elif _appends(context, module, call):
            yield from _plain(call, arguments, False)


def _named(call: ast.Call) -> dict[str, ast.expr]:
    return {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}


def _hidden(call: ast.Call) -> bool:
    return any(keyword.arg is None for keyword in call.keywords)


def _first(arguments: list[ast.expr], call: ast.Call) -> tuple[ast.expr | None, dict]:
    """The function, given first or as func=, and the keyword arguments beside it."""
    named = _named(call)
    target = arguments[0] if arguments else named.get("func")
    if isinstance(target, ast.Starred):
        return None, {}
    return target, {name: value for name, value in named.items() if name != "func"}


def _plain(call: ast.Call, arguments: list[ast.expr], partial: bool) -> Iterator[Sending]:
    target, named = _first(arguments, call)
    if target is None:
        return
    args = arguments[1:]
    yield Sending(
        call,
        target,
        None if any(isinstance(arg, ast.Starred) for arg in args) else args,
        None
        if _hidden(call)
        else {name: value for name, value in named.items() if name not in RESERVED},
        {name: value for name, value in named.items() if name in RESERVED},
        swallows=True,
        partial=partial,
    )


def _enqueue(call: ast.Call, arguments: list[ast.expr], partial: bool) -> Iterator[Sending]:
    target, named = _first(arguments, call)
    if target is None:
        return
    for name, value in zip(("args", "kwargs"), arguments[1:], strict=False):
        named.setdefault(name, value)
    complete = not partial or "args" in named or "kwargs" in named
    args = _sequence(named.get("args")) if complete else None
    kwargs = _mapping(named.get("kwargs")) if complete else None
    yield Sending(
        call,
        target,
        None if _hidden(call) and "args" not in named else args,
        None if _hidden(call) and "kwargs" not in named else kwargs,
        {name: value for name, value in named.items() if name not in ("args", "kwargs")},
    )


def _sequence(node: ast.expr | None) -> list[ast.expr] | None:
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return []
    if isinstance(node, ast.Tuple | ast.List):
        return None if any(isinstance(item, ast.Starred) for item in node.elts) else node.elts
    return None


def _mapping(node: ast.expr | None) -> dict[str, ast.expr] | None:
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return {}
    if not isinstance(node, ast.Dict):
        return None
    found = {}
    for key, value in zip(node.keys, node.values, strict=True):
        name = constant(key)
        if not isinstance(name, str):
            return None
        found[name] = value
    return found


def _steps(arguments: list[ast.expr], call: ast.Call) -> Iterator[Sending]:
    """The steps of a chain that is written out: (function, args, kwargs, …)."""
    named = _named(call)
    steps = arguments[0] if arguments else named.get("chain") or named.get("steps")
    if not isinstance(steps, ast.List | ast.Tuple):
        return
    for number, step in enumerate(steps.elts):
        if not isinstance(step, ast.Tuple | ast.List) or not step.elts:
            continue
        parts = [*step.elts[1:3], None, None][:2]
        # A fourth part says that the result of the step before comes first.
        more = number > 0 and len(step.elts) > 3
        args, kwargs = _sequence(parts[0]), _mapping(parts[1])
        yield Sending(step, step.elts[0], None if more else args, kwargs)


def _appends(context: Context, module: ModuleIndex, call: ast.Call) -> bool:
    """Whether a call is `.append` of a name that is a Chain of Django-Q2."""
    func = call.func
    if not (
        isinstance(func, ast.Attribute)
        and func.attr == "append"
        and isinstance(func.value, ast.Name)
        and call.args
    ):
        return False
    found = module.binding(func.value.id, func)
    return (
        found is not None
        and found.kind == "assign"
        and isinstance(found.node, ast.Call)
        and context.project.resolve(module, found.node.func) == CHAINS[1]
    )
