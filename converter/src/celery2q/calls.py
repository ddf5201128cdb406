"""Calls of Django-Q2's own functions: what is sent, with which arguments, to which cluster."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from celery2q.context import Context
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.qcluster import cluster_dict
from celery2q.signatures import Signature, signature_of
from celery2q.tasks import constant


@dataclass(frozen=True)
class Target:
    """What a call sends.

    Attributes:
        path: its dotted path, as far as it can be told.
        problem: why no worker can run it, as a sentence; "" if nothing speaks against it.
        signature: its parameters, where it is a function of the tree.
        definite: whether the problem is one of the definition, however it was named.
    """

    path: str = ""
    problem: str = ""
    signature: Signature | None = None
    definite: bool = False


def target_of(context: Context, module: ModuleIndex, node: ast.expr) -> Target:
    """Look at the first argument of async_task or at a schedule's func."""
    value = text_of(context, module, node)
    if value is not None:
        return _by_path(context, value)
    if isinstance(node, ast.Lambda):
        return Target(problem="a lambda cannot be pickled, and no worker can import it.")
    if isinstance(node, ast.Name):
        found = module.binding(node.id, node)
        if found is not None and found.kind == "def":
            inside = list(module.scopes_of(found.node or node))
            if any(isinstance(scope, FUNCTIONS) for scope in inside):
                return Target(
                    node.id, f"{node.id} is defined inside a function, where no worker finds it."
                )
    if isinstance(node, ast.Attribute):
        inner = node.value
        made = isinstance(inner, ast.Call) and _is_class(context, module, inner.func)
        if made or _is_own_method(module, node):
            return Target(
                problem=f"{module.text(node)} is a method: its whole object is pickled with it."
            )
    dotted = context.project.resolve(module, node)
    if dotted is None:
        return Target()
    target = _by_path(context, dotted)
    found = context.project.definition(target.path) if target.path else None
    if found is not None and isinstance(found[1].node, ast.Lambda):
        return Target(target.path, f"{target.path} is a lambda, which cannot be pickled.")
    # A name that is not found under its path is not what was imported, and is no finding.
    return target if target.definite else Target(target.path, "", target.signature)


def text_of(context: Context, module: ModuleIndex, node: ast.expr, depth: int = 0) -> str | None:
    """The text that an expression is known to be: literals, names of them, `+`, f-strings."""
    value = constant(node)
    if isinstance(value, str):
        return value
    if depth > 4:
        return None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left = text_of(context, module, node.left, depth + 1)
        right = text_of(context, module, node.right, depth + 1)
        return left + right if left is not None and right is not None else None
    if isinstance(node, ast.JoinedStr):
        parts = [
            text_of(context, module, part, depth + 1)
            if isinstance(part, ast.Constant)
            else text_of(context, module, part.value, depth + 1)
            if isinstance(part, ast.FormattedValue) and part.conversion == -1
            else None
            for part in node.values
        ]
        return None if None in parts else "".join(part for part in parts if part is not None)
    if isinstance(node, ast.Name):
        if node.id == "__name__" and module.binding("__name__", node) is None:
            return module.name
        found = module.binding(node.id, node)
        if found is not None and found.kind == "assign":
            return text_of(context, module, found.node, depth + 1)  # type: ignore[arg-type]
    if isinstance(node, ast.Name | ast.Attribute):
        dotted = context.project.resolve(module, node)
        bound = context.project.definition(dotted) if dotted else None
        if bound is not None and bound[1].kind == "assign" and bound[1].node is not node:
            return text_of(context, bound[0], bound[1].node, depth + 1)  # type: ignore[arg-type]
    return None


def _is_own_method(module: ModuleIndex, node: ast.Attribute) -> bool:
    """Whether an expression is `self.run` of a class that defines run."""
    if not (isinstance(node.value, ast.Name) and node.value.id == "self"):
        return False
    for scope in module.scopes_of(node):
        if isinstance(scope, ast.ClassDef):
            found = module.scopes[scope].get(node.attr)
            if found is None or not isinstance(found.node, FUNCTIONS):
                return False
            marks = {ast.unparse(mark) for mark in found.node.decorator_list}
            return not marks & {"staticmethod", "classmethod"}
    return False


def _is_class(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    dotted = context.project.resolve(module, node)
    found = context.project.definition(dotted) if dotted else None
    return found is not None and found[1].kind == "class"


def _by_path(context: Context, dotted: str) -> Target:
    """A dotted path, looked up in the tree; paths of other packages are taken as they are."""
    module, rest = context.project.split(dotted)
    if module is None:
        if dotted.split(".")[0] in context.project.packages and "." in dotted:
            return Target(dotted, f"there is no module of this tree in {dotted}.")
        if "." not in dotted:
            return Target(dotted, f"{dotted!r} is no dotted path.")
        return Target(dotted)
    if not rest:
        return Target(dotted, f"{dotted} is a module, no function.")
    canonical = context.project.canonical(dotted)
    found = context.project.definition(canonical)
    if found is None:
        inner = _inside(context, canonical)
        if inner is not None:
            return inner
        head = rest.split(".")[0]
        owner, left = context.project.split(canonical)
        if owner is None or head in module.top or (owner is not module and left == ""):
            return Target(dotted)
        if module.stars or "__getattr__" in module.top:
            return Target(dotted)
        return Target(dotted, f"{module.name} has no {head}.")
    node = found[1].node
    if isinstance(node, FUNCTIONS) and found[1].kind == "def":
        return _function(canonical, node)
    return Target(canonical)


def _function(path: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Target:
    """A function at a module's top."""
    if isinstance(node, ast.AsyncFunctionDef) and not node.decorator_list:
        return Target(
            path,
            f"{path} is a coroutine function: a worker calls it and awaits nothing.",
            definite=True,
        )
    wrapped = [ast.unparse(item) for item in node.decorator_list]
    bound = any("task" in text.lower() and "bind=True" in text for text in wrapped)
    other = [text for text in wrapped if "task" not in text.lower()]
    based = any("base=" in text for text in wrapped)
    return Target(path, "", None if other or based else signature_of(node, bound))


def _inside(context: Context, canonical: str) -> Target | None:
    """What stands inside a class or function of a module; None where that cannot be told."""
    owner, rest = context.project.split(canonical)
    head, _, inner = rest.partition(".")
    if owner is None or not inner or head not in owner.top:
        return None
    node = owner.top[head].node
    if isinstance(node, FUNCTIONS) and owner.top[head].kind == "def" and not node.decorator_list:
        names = [
            item.name for item in ast.walk(node) if isinstance(item, (*FUNCTIONS, ast.ClassDef))
        ]
        if inner in names:
            return Target(
                canonical,
                f"{inner} is defined inside a function, where no worker finds it.",
                definite=True,
            )
        return None
    if not isinstance(node, ast.ClassDef) or "." in inner:
        return None
    for item in node.body:
        if isinstance(item, FUNCTIONS) and item.name == inner:
            marks = {ast.unparse(mark) for mark in item.decorator_list}
            if marks == {"staticmethod"}:
                return Target(canonical, "", signature_of(item))
            if marks == {"classmethod"}:
                return Target(canonical, "", signature_of(item, bound=True))
            if marks:
                return Target(canonical)
            return Target(
                canonical,
                f"{head}.{inner} is a method: a worker calls it without its object.",
                definite=True,
            )
    names = owner.scopes[node]
    if node.bases or node.keywords or node.decorator_list or inner in names:
        return None
    return Target(canonical, f"{head} has no {inner}.")


def known_clusters(context: Context) -> set[str] | None:
    """Names that Q_CLUSTER serves; None where it cannot be read or does not exist."""
    names: set[str] = set()
    found = False
    for setting in context.settings.all("Q_CLUSTER"):
        keys = cluster_dict(setting)
        if keys is None:
            return None
        found = True
        name = constant(keys.get("name"))
        if "name" in keys and not isinstance(name, str):
            return None
        names.add(name if isinstance(name, str) else "default")
        alternatives = keys.get("ALT_CLUSTERS")
        if isinstance(alternatives, ast.Dict):
            for key in alternatives.keys:
                value = constant(key)
                if not isinstance(value, str):
                    return None
                names.add(value)
        elif alternatives is not None:
            return None
    return names if found else None


def literal_text(text: str, keywords: bool) -> object:
    """Read a schedule's args or kwargs as Django-Q2's scheduler does.

    Raises:
        ValueError: they are no literals. The scheduler stops at a row with such args, and takes
            {} in the place of such kwargs.
    """
    try:
        if keywords:
            try:
                return ast.literal_eval(text)
            except (SyntaxError, ValueError):
                call = ast.parse(f"f({text})", mode="eval").body
                if not isinstance(call, ast.Call) or call.args:
                    raise ValueError("neither a dict nor keyword arguments") from None
                return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    return value if isinstance(value, tuple) else (value,)
