"""What happens to the value of a sending: nothing, its id, or more."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from celery2q.index import FUNCTIONS, ModuleIndex

IDS = ("id", "task_id")


@dataclass(frozen=True)
class Use:
    """How a result is used.

    Attributes:
        kind: "none", "id" (only as an id), "escapes" (handed on) or "used" (as an AsyncResult).
        detail: what shows it.
        ids: the attribute nodes that take the id.
        asked: the first attribute that is read of it; "" for none.
    """

    kind: str
    detail: str = ""
    ids: tuple[ast.Attribute, ...] = ()
    asked: str = ""


def result_use(module: ModuleIndex, call: ast.Call) -> Use:
    """Look at where a sending's value goes."""
    if module.value_unused(call):
        return Use("none")
    parent = module.parents[call]
    if isinstance(parent, ast.Attribute):
        if parent.attr in IDS:
            return Use("id", ids=(parent,), asked=parent.attr)
        return Use("used", f".{parent.attr}", asked=parent.attr)
    if isinstance(parent, ast.Assign) and len(parent.targets) == 1:
        target = parent.targets[0]
        if isinstance(target, ast.Name):
            return _of_name(module, call, target.id)
    if isinstance(parent, ast.NamedExpr):
        return _of_name(module, call, parent.target.id)
    return Use("escapes", type(parent).__name__.lower())


def asked_of_id(module: ModuleIndex, call: ast.Call) -> str:
    """What is asked of the value of a sending that a string, the task's id, does not have.

    Nothing is known of a name that is given another value as well.
    """
    asked = result_use(module, call).asked
    parent = module.parents[call]
    if isinstance(parent, ast.Assign) and isinstance(parent.targets[0], ast.Name):
        name, scope = parent.targets[0].id, _scope(module, call)
        stores = [
            node
            for node in ast.walk(scope)
            if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
        ]
        if len(stores) > 1:
            return ""
    return "" if hasattr(str, asked) else asked


def _scope(module: ModuleIndex, node: ast.AST) -> ast.AST:
    return next(
        scope
        for scope in module.scopes_of(node)
        if isinstance(scope, (*FUNCTIONS, ast.Module, ast.Lambda, ast.ClassDef))
    )


def _of_name(module: ModuleIndex, call: ast.Call, name: str) -> Use:
    scope = _scope(module, call)
    ids: list[ast.Attribute] = []
    escapes = ""
    for node in ast.walk(scope):
        if not (isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)):
            continue
        parent = module.parents[node]
        if isinstance(parent, ast.Attribute) and parent.value is node:
            if parent.attr not in IDS:
                detail = f"{name}.{parent.attr}, line {parent.lineno}"
                return Use("used", detail, asked=parent.attr)
            ids.append(parent)
        elif not isinstance(parent, ast.If | ast.BoolOp | ast.UnaryOp):
            escapes = f"{name}, line {node.lineno}"
    asked = ids[0].attr if ids else ""
    if escapes:
        return Use("escapes", escapes, tuple(ids), asked)
    return Use("id" if ids else "none", ids=tuple(ids), asked=asked)
