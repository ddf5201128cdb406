"""Calls of Django-Q2's own functions: what is sent, with which arguments, to which cluster."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from celery2q.context import Context
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.qcluster import cluster_dict
from celery2q.signatures import Signature, signature_of
from celery2q.tasks import constant

SENDERS = ("django_q.tasks.async_task", "django_q.tasks.async_iter", "django_q.tasks.AsyncTask")


@dataclass(frozen=True)
class Target:
    """What a call sends.

    Attributes:
        path: its dotted path, as far as it can be told.
        problem: why no worker can run it, as a sentence; "" if nothing speaks against it.
        signature: its parameters, where it is a function of the tree.
    """

    path: str = ""
    problem: str = ""
    signature: Signature | None = None


def target_of(context: Context, module: ModuleIndex, node: ast.expr) -> Target:
    """Look at the first argument of async_task or at a schedule's func."""
    value = constant(node)
    if isinstance(value, str):
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
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id in ("self", "cls"):
            return Target(
                problem=f"{module.text(node)} is a method: its whole object is pickled with it."
            )
    dotted = context.project.resolve(module, node)
    if dotted is None:
        return Target()
    target = _by_path(context, dotted)
    return Target(target.path, "", target.signature)


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
        head = rest.split(".")[0]
        owner, inner = context.project.split(canonical)
        if owner is None or head in module.top or (owner is not module and inner == ""):
            return Target(dotted)
        if module.stars or "__getattr__" in module.top:
            return Target(dotted)
        return Target(dotted, f"{module.name} has no {head}.")
    node = found[1].node
    if isinstance(node, FUNCTIONS) and found[1].kind == "def":
        wrapped = [ast.unparse(item) for item in node.decorator_list]
        bound = any("task" in text.lower() and "bind=True" in text for text in wrapped)
        other = [text for text in wrapped if "task" not in text.lower()]
        based = any("base=" in text for text in wrapped)
        return Target(canonical, "", None if other or based else signature_of(node, bound))
    return Target(canonical)


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
        ValueError: they are no literals; the scheduler stops at that row.
    """
    try:
        if keywords:
            try:
                return ast.literal_eval(text)
            except (SyntaxError, ValueError):
                call = ast.parse(f"f({text})", mode="eval").body
                return {
                    keyword.arg: ast.literal_eval(keyword.value)
                    for keyword in call.keywords  # type: ignore[attr-defined]
                }
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    return value if isinstance(value, tuple) else (value,)
