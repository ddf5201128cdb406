"""How one sending of a task is to be written for Django-Q2 (decided on the ast)."""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace

from celery2q.context import Context
from celery2q.index import FUNCTIONS, ModuleIndex
from celery2q.signatures import RESERVED, Signature
from celery2q.tasks import TaskDef, constant

#: Positional parameters of Celery's apply_async.
APPLY_ORDER = ("args", "kwargs", "task_id", "producer", "link", "link_error", "shadow")
#: Options that change nothing the application can see.
HARMLESS = frozenset(
    "producer connection publisher retry retry_policy serializer compression ignore_result "
    "add_to_parent shadow".split()
)
#: Options that Django-Q2 has nothing for.
LOST = {
    "priority": "Django-Q2's queue has no priorities",
    "expires": "Django-Q2 runs a task however late it is",
    "soft_time_limit": "Django-Q2 knows only a hard timeout",
    "headers": "a Django-Q2 task carries no headers",
    "routing_key": "Django-Q2 routes by cluster only",
    "exchange": "Django-Q2 routes by cluster only",
}
KNOWN = frozenset(("args", "kwargs", "task_id", "countdown", "eta", "queue", "time_limit"))


@dataclass(frozen=True)
class Send:
    """One sending.

    Attributes:
        function: "async_task" or "enqueue" (the helper, which protects every argument).
        target: source of the first argument: a quoted dotted path, or an expression.
        options: (name, source) pairs that are always given (cluster, timeout).
        on_commit: whether it happens when the transaction commits.
        alias: the name that the function is imported as, where its own is taken.
    """

    function: str
    target: str
    options: tuple[tuple[str, str], ...] = ()
    on_commit: bool = False
    alias: str = ""


class CannotSend(Exception):
    """Why a call stays as it is; the end of a sentence."""


def quote(text: str, module: ModuleIndex) -> str:
    """A string literal in the quotes that the file prefers."""
    source = module.source.text
    return f"'{text}'" if source.count("'") > source.count('"') else f'"{text}"'


def apply_arguments(module: ModuleIndex, call: ast.Call) -> dict[str, ast.expr]:
    """The arguments of `apply_async(…)` by name.

    A `**` of a dict that this function builds from options the helper knows comes back under
    the name "**".

    Raises:
        CannotSend: a `*` or `**` hides them.
    """
    found: dict[str, ast.expr] = {}
    for name, value in zip(APPLY_ORDER, call.args, strict=False):
        if isinstance(value, ast.Starred):
            raise CannotSend("its arguments are hidden behind a *")
        found[name] = value
    for keyword in call.keywords:
        if keyword.arg is None:
            if not _plain_options(module, keyword.value):
                raise CannotSend("its options are hidden behind a **")
            found["**"] = keyword.value
            continue
        found[keyword.arg] = keyword.value
    return found


def _plain_options(module: ModuleIndex, node: ast.expr) -> bool:
    """Whether a dict can only hold options that the helper takes too."""
    if isinstance(node, ast.Name):
        found = module.binding(node.id, node)
        if found is None or found.kind != "assign" or not isinstance(found.node, ast.expr):
            return False
        return not isinstance(found.node, ast.Name) and _plain_options(module, found.node)
    if isinstance(node, ast.IfExp):
        return _plain_options(module, node.body) and _plain_options(module, node.orelse)
    return isinstance(node, ast.Dict) and all(
        constant(key) in ("countdown", "eta", "queue") for key in node.keys
    )


def plan(
    context: Context,
    module: ModuleIndex,
    call: ast.Call,
    task: TaskDef | None,
    receiver: ast.expr,
    apply: bool,
    on_commit: bool = False,
) -> Send:
    """Decide how a `.delay(…)` or `.apply_async(…)` is written.

    Args:
        context: the tree.
        module: the module of the call.
        call: the call.
        task: the task; None when the receiver is an expression that gives one at run time.
        receiver: what stands before `.delay`.
        apply: whether this is apply_async (else delay).
        on_commit: whether the call itself waits for the transaction to commit.

    Raises:
        CannotSend: no form means the same.
    """
    if task is not None and task.unread is not None and task.unread[0] != "name":
        raise CannotSend(f"the {task.unread[0]} of its task is known only at run time")
    signature = task.signature if task is not None else None
    opaque = task is not None and task.base is not None and task.base.opaque
    helper = task is None or opaque
    options: dict[str, str] = {}
    queue: ast.expr | None = None
    if apply:
        given = apply_arguments(module, call)
        for name in ("link", "link_error", "chain", "chord"):
            if name in given and constant(given[name]) is None and not _is_none(given[name]):
                raise CannotSend(f"{name}= starts another task when this one ends")
        helper |= "**" in given
        unknown = set(given) - {"**"} - KNOWN - HARMLESS - set(LOST) - {"link", "link_error"}
        if unknown:
            raise CannotSend(f"the option {sorted(unknown)[0]}= is not known")
        helper |= _delayed(given) or _hides(module, given, signature)
        queue = given.get("queue")
        if queue is not None and _is_none(queue):
            queue = None
        if "task_id" in given and not _is_none(given["task_id"]):
            helper = True
        if "time_limit" in given:
            options["timeout"] = module.text(given["time_limit"])
    else:
        names = {keyword.arg for keyword in call.keywords}
        helper |= bool(names & RESERVED) or (None in names and _may_hide(signature))
    if queue is not None:
        name = constant(queue)
        if isinstance(name, str):
            if cluster := context.cluster(name):
                options["cluster"] = quote(cluster, module)
        else:
            helper = True
            options["queue"] = module.text(queue)
    elif task is not None and (cluster := context.cluster_of(task)):
        options["cluster"] = quote(cluster, module)
    if task is not None and task.time_limit and "timeout" not in options:
        options["timeout"] = f"{task.time_limit:g}"
    send = Send(
        "enqueue" if helper else "async_task",
        quote(task.path, module) if task is not None and not opaque else module.text(receiver),
        tuple(options.items()),
        on_commit=on_commit or bool(task is not None and task.base and task.base.on_commit),
    )
    return _free(context, module, call, send)


def _free(context: Context, module: ModuleIndex, at: ast.AST, send: Send) -> Send:
    """Give the function another name where its own is taken; refuse where another one is."""
    dotted = f"{context.home(send.function, module)}.{send.function}"
    if _taken(module, at, send.function, dotted):
        alias = f"q_{send.function}"
        if _taken(module, at, alias, dotted):
            raise CannotSend(f"the name {send.function} means something else here")
        send = replace(send, alias=alias)
    if send.on_commit:
        names = {"transaction": "django.db.transaction", "partial": "functools.partial"}
        for name, target in names.items():
            if _taken(module, at, name, target):
                raise CannotSend(f"the name {name} means something else here")
    return send


def _taken(module: ModuleIndex, at: ast.AST, name: str, dotted: str) -> bool:
    found = module.binding(name, at)
    return found is not None and found.target != dotted


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _delayed(given: dict[str, ast.expr]) -> bool:
    for name in ("countdown", "eta"):
        if name in given and not (isinstance(given[name], ast.Constant) and not given[name].value):
            return True
    return False


def _may_hide(signature: Signature | None) -> bool:
    """Whether a `**` may carry a name that async_task would swallow."""
    return signature is None or signature.varkw or bool(signature.reserved)


def _hides(module: ModuleIndex, given: dict[str, ast.expr], signature: Signature | None) -> bool:
    """Whether the arguments need the helper: reserved names, or None where async_task has `*`."""
    kwargs = given.get("kwargs")
    if isinstance(kwargs, ast.Dict):
        for key in kwargs.keys:
            name = constant(key) if key is not None else None
            if key is None and _may_hide(signature):
                return True
            if key is not None and (
                not isinstance(name, str) or not name.isidentifier() or name in RESERVED
            ):
                return True
    elif kwargs is not None and not _is_none(kwargs):
        if _may_hide(signature) or _may_be_none(module, kwargs):
            return True
    args = given.get("args")
    return (
        args is not None
        and not isinstance(args, ast.Tuple | ast.List)
        and _may_be_none(module, args)
    )


def _may_be_none(module: ModuleIndex, node: ast.expr) -> bool:
    """Whether an expression is a parameter whose default is None, or no plain name."""
    if not isinstance(node, ast.Name):
        return not isinstance(node, ast.Call | ast.ListComp | ast.BinOp)
    for scope in module.scopes_of(node):
        if isinstance(scope, FUNCTIONS):
            arguments = scope.args
            names = [*arguments.posonlyargs, *arguments.args]
            for name, default in zip(reversed(names), reversed(arguments.defaults), strict=False):
                if name.arg == node.id and _is_none(default):
                    return True
    return False


def values_of(
    context: Context, module: ModuleIndex, node: ast.expr, depth: int = 0
) -> list[TaskDef] | None:
    """The tasks an expression can stand for, where all of them are known.

    Follows a name to its one assignment, a subscript or `.get()` to its literal, a loop to
    what it runs over, `a if c else b` to both.
    """
    if depth > 6:
        return None
    task = context.registry.task_at(module, node)
    if task is not None:
        return [task]
    if isinstance(node, ast.Name):
        found = module.binding(node.id, node)
        if found is None or found.node is None:
            return None
        if found.kind == "assign":
            return values_of(context, module, found.node, depth + 1)  # type: ignore[arg-type]
        loop = module.parents.get(found.node)
        while isinstance(loop, ast.Tuple):
            loop = module.parents.get(loop)
        if isinstance(loop, ast.For | ast.comprehension):
            return values_of(context, module, loop.iter, depth + 1)
        return None
    if (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in ("self", "cls")
    ):
        return _of_class_attribute(context, module, node)
    if isinstance(node, ast.Subscript):
        return values_of(context, module, node.value, depth + 1)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in ("get", "items", "values", "pop", "copy"):
            return values_of(context, module, node.func.value, depth + 1)
        return None
    parts: list[ast.expr] = []
    if isinstance(node, ast.Dict):
        parts = node.values
    elif isinstance(node, ast.List | ast.Tuple | ast.Set):
        parts = [
            next((inner for inner in part.elts if _names_task(context, module, inner)), part)
            if isinstance(part, ast.Tuple)
            else part
            for part in node.elts
        ]
    elif isinstance(node, ast.IfExp):
        parts = [node.body, node.orelse]
    found_tasks: list[TaskDef] = []
    for part in parts:
        inner_tasks = values_of(context, module, part, depth + 1)
        if inner_tasks is None:
            return None
        found_tasks.extend(inner_tasks)
    return found_tasks or None


def _of_class_attribute(
    context: Context, module: ModuleIndex, node: ast.Attribute
) -> list[TaskDef] | None:
    """The tasks that `self.task` can stand for: what the class and its subclasses assign."""
    owner = next(
        (scope for scope in module.scopes_of(node) if isinstance(scope, ast.ClassDef)), None
    )
    if owner is None:
        return None
    family = {f"{module.name}.{module.qualname(owner)}"}
    pairs = [(other, cls) for other in context.modules for cls in other.classes]
    grown = True
    while grown:
        grown = False
        for other, cls in pairs:
            path = f"{other.name}.{other.qualname(cls)}"
            if path not in family and any(
                context.project.resolve(other, base) in family for base in cls.bases
            ):
                family.add(path)
                grown = True
    found: list[TaskDef] = []
    for other, cls in pairs:
        if f"{other.name}.{other.qualname(cls)}" not in family:
            continue
        for item in cls.body:
            if not (isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name)):
                continue
            if item.targets[0].id == node.attr and not _is_none(item.value):
                task = context.registry.task_at(other, item.value)
                if task is None:
                    return None
                found.append(task)
    return found or None


def _names_task(context: Context, module: ModuleIndex, node: ast.expr) -> bool:
    return context.registry.task_at(module, node) is not None
