"""Arguments that should not be sent: pickled as they are now, too large, or not to be pickled."""

from __future__ import annotations

import ast

from celery2q.context import Context
from celery2q.index import FUNCTIONS, ModuleIndex

#: Methods of a manager or queryset that give instances.
QUERIES = frozenset(
    "get create first last filter all exclude order_by select_related prefetch_related latest "
    "earliest in_bulk raw annotate distinct iterator bulk_create aget acreate afirst alast".split()
)
#: Those after which there are plain values.
PLAIN = frozenset("values values_list count exists aggregate dates datetimes explain".split())
SHORTCUTS = frozenset(("get_object_or_404", "get_list_or_404", "aget_object_or_404"))
#: What no process can hand to another one: made by a call, and as it is.
MADE = frozenset(
    "threading.Lock threading.RLock threading.Event threading.Condition threading.Semaphore "
    "threading.Thread multiprocessing.Lock multiprocessing.Queue socket.socket subprocess.Popen "
    "sqlite3.connect psycopg2.connect psycopg.connect django.db.connection.cursor".split()
)
BOUND = frozenset(("django.db.connection", "django.db.connections", "django.core.cache.cache"))
READS = frozenset(("read", "read_text", "read_bytes", "readlines"))
SEQUENCES = frozenset(("list", "tuple", "set", "sorted", "dict"))
DEPTH = 5


def weight(context: Context, module: ModuleIndex, node: ast.expr, depth: int = 0) -> str:
    """What an argument is, where it should not be sent, as the begin of a sentence; else ""."""
    if depth > DEPTH:
        return ""
    if isinstance(node, ast.Lambda):
        return "A lambda"
    if isinstance(node, ast.GeneratorExp):
        return "A generator"
    parts: list[ast.expr] = []
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        parts = node.elts
    elif isinstance(node, ast.Dict):
        parts = node.values
    elif isinstance(node, ast.ListComp | ast.SetComp):
        parts = [node.elt]
    elif isinstance(node, ast.Starred | ast.Await):
        parts = [node.value]
    elif isinstance(node, ast.IfExp):
        parts = [node.body, node.orelse]
    for part in parts:
        if found := weight(context, module, part, depth + 1):
            return found
    if parts:
        return ""
    text = _short(module, node)
    if (isinstance(node, ast.Name) and node.id == "request") or text in ("self.request", "self"):
        return f"{text}, which cannot be pickled or is far too large,"
    if text in ("request.user", "self.request.user"):
        return f"{text}, a model instance,"
    if text in ("request.body", "self.request.body"):
        return f"{text}, as large as what was sent,"
    if text.startswith(("request.FILES", "self.request.FILES")):
        return f"{text}, an uploaded file,"
    called = isinstance(node, ast.Call)
    dotted = context.project.resolve(module, node.func if called else node)
    if dotted in (MADE if called else BOUND):
        return f"{text}, which belongs to its process,"
    if isinstance(node, ast.Call):
        return _call(context, module, node, text, depth)
    if isinstance(node, ast.Name):
        return _name(context, module, node, depth)
    return ""


def _short(module: ModuleIndex, node: ast.expr) -> str:
    return " ".join(module.text(node).split())[:60]


def _call(context: Context, module: ModuleIndex, node: ast.Call, text: str, depth: int) -> str:
    func = node.func
    if isinstance(func, ast.Name):
        if func.id == "open":
            return f"{text}, an open file,"
        if func.id in SHORTCUTS:
            return f"{text}, a model instance,"
        if func.id in SEQUENCES and len(node.args) == 1:
            return weight(context, module, node.args[0], depth + 1)
    if isinstance(func, ast.Attribute):
        if func.attr in READS and not node.args:
            return f"{text}, as large as the file,"
        if func.attr in QUERIES and ".objects" in module.text(func) and not PLAIN & _chain(func):
            return f"{text}, a model instance,"
    if is_model(context, module, func):
        return f"{text}, a model instance,"
    return ""


def _chain(node: ast.expr) -> set[str]:
    """The methods of `A.objects.filter(…).first`."""
    found = set()
    while isinstance(node, ast.Attribute | ast.Call):
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
            node = node.value
        else:
            node = node.func
    return found


def is_model(context: Context, module: ModuleIndex, node: ast.AST | None, depth: int = 0) -> bool:
    """Whether an expression is a model class of the tree."""
    if node is None or depth > DEPTH:
        return False
    dotted = context.project.resolve(module, node)
    if dotted == "django.db.models.Model":
        return True
    found = context.project.definition(dotted) if dotted else None
    if found is None or not isinstance(found[1].node, ast.ClassDef):
        return False
    return any(is_model(context, found[0], base, depth + 1) for base in found[1].node.bases)


def _name(context: Context, module: ModuleIndex, node: ast.Name, depth: int) -> str:
    """What a name was given, where it was given one thing."""
    found = module.binding(node.id, node)
    if found is None or found.node is None:
        return ""
    if found.kind == "assign":
        what = weight(context, module, found.node, depth + 1)  # type: ignore[arg-type]
        return f"{node.id}, {what.partition(', ')[2]}" if ", " in what else what
    if isinstance(found.node, ast.arg):
        return _argument(context, module, node, found.node)
    parent = module.parents.get(found.node)
    if isinstance(parent, ast.For | ast.AsyncFor | ast.comprehension):
        if parent.target is found.node:
            what = weight(context, module, parent.iter, depth + 1)
            return f"{node.id}, a model instance," if "model instance" in what else ""
    if isinstance(parent, ast.withitem) and isinstance(parent.context_expr, ast.Call):
        opened = weight(context, module, parent.context_expr, depth + 1)
        return f"{node.id}, an open file," if "open file" in opened else ""
    return ""


def _argument(context: Context, module: ModuleIndex, node: ast.Name, argument: ast.arg) -> str:
    annotation = argument.annotation
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        bound = module.binding(annotation.value, node)
        if bound is not None and bound.kind in ("import", "class"):
            probe = ast.copy_location(ast.Name(annotation.value, ast.Load()), node)
            module.parents[probe] = module.parents[node]
            annotation = probe
    if is_model(context, module, annotation):
        return f"{node.id}, a model instance,"
    if node.id == "instance":
        owner = next(
            (scope for scope in module.scopes_of(node) if isinstance(scope, FUNCTIONS)), None
        )
        if owner is not None and any(item.arg == "sender" for item in owner.args.args):
            return "instance, a model instance,"
    return ""
