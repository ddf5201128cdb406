"""Values that can be told without running the program."""

from __future__ import annotations

import ast
from typing import Any

from celery2q.context import Context
from celery2q.definitions import OPERATORS
from celery2q.index import ModuleIndex

_DEPTH = 8


class Unknown(Exception):
    """A value that only the running program knows."""


def value_of(context: Context, module: ModuleIndex, node: ast.AST, depth: int = 0) -> Any:
    """Evaluate a constant expression: literals, arithmetic of numbers, names of constants.

    Raises:
        Unknown: it is none.
    """
    try:
        return ast.literal_eval(node)  # type: ignore[arg-type]
    except (ValueError, TypeError, SyntaxError, MemoryError):
        pass
    if depth > _DEPTH:
        raise Unknown
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left = value_of(context, module, node.left, depth + 1)
        right = value_of(context, module, node.right, depth + 1)
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise Unknown
        try:
            return OPERATORS[type(node.op)](left, right)
        except ZeroDivisionError:
            raise Unknown from None
    if isinstance(node, ast.Name | ast.Attribute):
        dotted = context.project.resolve(module, node)
        found = context.project.definition(dotted) if dotted else None
        if found and found[1].kind == "assign" and found[1].node is not None:
            return value_of(context, found[0], found[1].node, depth + 1)
    raise Unknown


def number_of(context: Context, module: ModuleIndex, node: ast.AST | None) -> float | None:
    """The number that an expression is known to be; None for anything else, True and False too."""
    if node is None:
        return None
    try:
        value = value_of(context, module, node)
    except Unknown:
        return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
