"""Every way in which code makes a schedule of Django-Q2's."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from celery2q.calls import literal_text
from celery2q.context import Context
from celery2q.index import ModuleIndex
from celery2q.setup_schedules import COMMAND
from celery2q.signatures import SCHEDULE_OPTIONS
from celery2q.tasks import constant

MODEL = "django_q.models.Schedule"
MAKERS = frozenset("create get_or_create update_or_create".split())


@dataclass(frozen=True, eq=False)
class Scheduled:
    """A schedule as code makes it.

    Attributes:
        fields: its fields by name, but args and kwargs.
        args: the function's positional arguments; None where they cannot be told.
        kwargs: its keyword arguments by name; None where they cannot be told.
        bad: (node, sentence) of arguments that the scheduler cannot read.
        generated: whether it is a row of the generated command, which makes it later.
    """

    call: ast.Call
    fields: dict[str, ast.expr]
    args: int | None = 0
    kwargs: frozenset[str] | None = frozenset()
    bad: tuple[tuple[ast.expr, str], ...] = ()
    generated: bool = False


def scheduled(context: Context, module: ModuleIndex, call: ast.Call) -> Scheduled | None:
    """The schedule that a call makes; None for any other call."""
    func = call.func
    dotted = context.project.resolve(module, func)
    named = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    hidden = any(keyword.arg is None for keyword in call.keywords)
    if dotted == "django_q.tasks.schedule":
        return _of_function(call, named, hidden)
    if dotted == MODEL:
        return _of_fields(call, named)
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
        return _of_fields(call, named)
    if module.path.endswith(COMMAND) and dotted == f"{module.name}.Row":
        args, kwargs = constant(named.pop("args", None)), constant(named.pop("kwargs", None))
        return Scheduled(
            call,
            named,
            len(args) if isinstance(args, tuple) else 0,
            frozenset(map(str, kwargs)) if isinstance(kwargs, dict) else frozenset(),
            generated=True,
        )
    return None


def _of_function(call: ast.Call, named: dict[str, ast.expr], hidden: bool) -> Scheduled:
    """`schedule(func, *args, **options and kwargs)`."""
    fields = {name: value for name, value in named.items() if name in SCHEDULE_OPTIONS}
    if call.args:
        fields["func"] = call.args[0]
    elif "func" in named:
        fields["func"] = named["func"]
    args = call.args[1:]
    starred = any(isinstance(arg, ast.Starred) for arg in args)
    kwargs = frozenset(named) - SCHEDULE_OPTIONS - {"func"}
    return Scheduled(call, fields, None if starred else len(args), None if hidden else kwargs)


def _of_fields(call: ast.Call, named: dict[str, ast.expr]) -> Scheduled:
    """Fields of the model, args and kwargs as text."""
    bad: list[tuple[ast.expr, str]] = []
    count: int | None = 0
    names: frozenset[str] | None = frozenset()
    args, kwargs = named.pop("args", None), named.pop("kwargs", None)
    if args is not None and constant(args) is None and not is_none(args):
        count = None
    elif isinstance(text := constant(args), str) and text:
        try:
            count = len(literal_text(text, False))  # type: ignore[arg-type]
        except ValueError:
            count = None
            bad.append((args, f"args {text!r} are no literals: this row stops all schedules."))  # type: ignore[arg-type]
    if kwargs is not None and constant(kwargs) is None and not is_none(kwargs):
        names = None
    elif isinstance(text := constant(kwargs), str) and text:
        try:
            found = literal_text(text, True)
            names = frozenset(map(str, found)) if isinstance(found, dict) else None
        except ValueError:
            names = None
            bad.append((kwargs, f"kwargs {text!r} are no literals: the scheduler takes none."))  # type: ignore[arg-type]
    return Scheduled(call, named, count, names, tuple(bad))


def is_none(node: ast.expr) -> bool:
    """Whether an expression is a plain None."""
    return isinstance(node, ast.Constant) and node.value is None
