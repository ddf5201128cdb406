"""What the registry holds: wrappers, base classes and tasks."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.signatures import Signature, signature_of

#: Arithmetic that settings are written with.
OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Mult: lambda left, right: left * right,
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
}


@dataclass(frozen=True, eq=False)
class Wrapper:
    """A decorator of the project's own that makes Celery tasks.

    Attributes:
        path: canonical dotted name.
        kind: "options" when it only hands options on to Celery's decorator, "inner" when it
            makes a task of a function of its own that calls the decorated one, else "other".
        options: the options it adds.
    """

    path: str
    kind: str
    module: ModuleIndex
    node: ast.FunctionDef | ast.AsyncFunctionDef
    options: dict[str, ast.expr]


@dataclass(frozen=True, eq=False)
class BaseClass:
    """A Task base class of the project's own.

    Attributes:
        hooks: the methods of Celery's Task that it overrides.
        on_commit: whether it, or a base of it, only sends when the transaction commits.
        opaque: whether it overrides sending in another way.
    """

    path: str
    module: ModuleIndex
    node: ast.ClassDef
    hooks: frozenset[str]
    on_commit: bool
    opaque: bool


@dataclass(frozen=True, eq=False)
class TaskDef:
    """One Celery task.

    Attributes:
        path: the dotted path Django-Q2 finds the function under.
        celery_name: the name its messages carry.
        kind: "function", "instance" (of a task class) or "class".
        decorator: the decorator that makes it a task.
        options: that decorator's keyword arguments, a wrapper's included.
        spread: whether the options hold a `**` that cannot be read.
        nested: whether it is defined inside a function (nothing can import it).
    """

    path: str
    celery_name: str
    module: ModuleIndex
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
    kind: str = "function"
    decorator: ast.expr | None = None
    options: dict[str, ast.expr] = field(default_factory=dict)
    spread: bool = False
    nested: bool = False
    base: BaseClass | None = None
    wrapper: Wrapper | None = None

    @property
    def bind(self) -> bool:
        """Whether Celery hands the task itself over as first argument."""
        return constant(self.options.get("bind")) is True

    @cached_property
    def signature(self) -> Signature | None:
        """Its parameters; None for a class without a `run` of its own."""
        node: ast.AST | None = self.node
        if isinstance(node, ast.ClassDef):
            runs = [
                item for item in node.body if isinstance(item, FUNCTIONS) and item.name == "run"
            ]
            return signature_of(runs[0], bound=True) if runs else None
        return signature_of(self.node, bound=self.bind)  # type: ignore[arg-type]

    def option(self, name: str) -> object:
        """An option that is a literal or a constant of its module; None for anything else."""
        node: ast.AST | None = self.options.get(name)
        if isinstance(node, ast.Name):
            found = self.module.top.get(node.id)
            node = found.node if found is not None and found.kind == "assign" else None
        return constant(node)

    @property
    def unread(self) -> tuple[str, str] | None:
        """Name and source of an option that has to be carried over and cannot be told."""
        for name in ("time_limit", "queue", "name"):
            node = self.options.get(name)
            none = isinstance(node, ast.Constant) and node.value is None
            if node is not None and not none and self.option(name) is None:
                return name, ast.unparse(node)
        return None

    @property
    def queue(self) -> str | None:
        """The queue its decorator names."""
        value = self.option("queue")
        return value if isinstance(value, str) else None

    @property
    def time_limit(self) -> float | None:
        """Its hard time limit in seconds."""
        value = self.option("time_limit")
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def constant(node: ast.AST | None) -> object:
    """The value of a literal, or of arithmetic on numbers; None for anything else."""
    if node is None:
        return None
    try:
        return ast.literal_eval(node)  # type: ignore[arg-type]
    except (ValueError, TypeError, SyntaxError, MemoryError):
        return _arithmetic(node)


def _arithmetic(node: ast.AST) -> float | None:
    """`60 * 60` and its like."""
    if not isinstance(node, ast.BinOp) or type(node.op) not in OPERATORS:
        return None
    left, right = constant(node.left), constant(node.right)
    if not (isinstance(left, int | float) and isinstance(right, int | float)):
        return None
    try:
        return OPERATORS[type(node.op)](left, right)
    except ZeroDivisionError:
        return None
