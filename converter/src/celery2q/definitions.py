"""What the registry holds: wrappers, base classes and tasks."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from functools import cached_property

from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.signatures import Signature, signature_of


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

    @property
    def queue(self) -> str | None:
        """The queue its decorator names."""
        value = constant(self.options.get("queue"))
        return value if isinstance(value, str) else None

    @property
    def time_limit(self) -> float | None:
        """Its hard time limit in seconds."""
        value = constant(self.options.get("time_limit"))
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def constant(node: ast.AST | None) -> object:
    """The value of a literal; None for anything else."""
    if node is None:
        return None
    try:
        return ast.literal_eval(node)  # type: ignore[arg-type]
    except (ValueError, TypeError, SyntaxError, MemoryError):
        return None
