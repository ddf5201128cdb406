"""What a function takes, and whether given arguments fit."""

from __future__ import annotations

import ast
from dataclasses import dataclass

#: Keyword arguments that async_task takes for itself instead of handing them on.
RESERVED = frozenset(
    "hook group save sync cached ack_failure iter_count iter_cached chain broker cluster "
    "timeout task_name q_options".split()
)
#: Of schedule(): those it takes beside the above.
SCHEDULE_OPTIONS = frozenset(
    "name hook schedule_type minutes repeats next_run cron cluster intended_date_kwarg "
    "q_options".split()
)


@dataclass(frozen=True)
class Signature:
    """A function's parameters without a bound `self`.

    Attributes:
        positional: names that may be given by position (or keyword, unless positional-only).
        keyword_only: names that must be given by keyword.
        required: names without a default.
        varargs: whether it takes *args.
        varkw: whether it takes **kwargs.
    """

    positional: tuple[str, ...]
    keyword_only: tuple[str, ...]
    required: frozenset[str]
    varargs: bool
    varkw: bool

    @property
    def names(self) -> frozenset[str]:
        """All parameters that have a name."""
        return frozenset((*self.positional, *self.keyword_only))

    @property
    def reserved(self) -> frozenset[str]:
        """Parameters whose names async_task swallows."""
        return self.names & RESERVED

    def misfit(self, count: int, keywords: set[str], partial: bool = False) -> str | None:
        """Why a call does not fit, as the end of a sentence; None when it fits.

        Args:
            count: number of positional arguments.
            keywords: names given by keyword.
            partial: whether more arguments may follow.
        """
        if count > len(self.positional) and not self.varargs:
            return f"takes {len(self.positional)} positional arguments, {count} given"
        unknown = keywords - self.names
        if unknown and not self.varkw:
            return f"has no parameter {', '.join(sorted(unknown))}"
        given = set(self.positional[:count])
        if given & keywords:
            return f"gets {', '.join(sorted(given & keywords))} twice"
        missing = self.required - given - keywords
        if missing and not partial:
            return f"misses {', '.join(sorted(missing))}"
        return None


def signature_of(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, bound: bool = False
) -> Signature:
    """Read a definition's parameters.

    Args:
        node: the definition.
        bound: whether the first positional parameter is given by the engine.
    """
    arguments = node.args
    positional = [name.arg for name in (*arguments.posonlyargs, *arguments.args)]
    optional = set(positional[len(positional) - len(arguments.defaults) :])
    if not arguments.defaults:
        optional = set()
    keyword_only = [name.arg for name in arguments.kwonlyargs]
    optional.update(
        name
        for name, default in zip(keyword_only, arguments.kw_defaults, strict=True)
        if default is not None
    )
    if bound:
        positional = positional[1:]
    return Signature(
        tuple(positional),
        tuple(keyword_only),
        frozenset(name for name in (*positional, *keyword_only) if name not in optional),
        arguments.vararg is not None,
        arguments.kwarg is not None,
    )
