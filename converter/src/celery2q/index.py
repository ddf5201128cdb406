"""What one module binds and uses, read with `ast` in one walk; nothing here rewrites."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from celery2q.findings import Edit
from celery2q.sources import Source

Scope = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
SCOPES = (ast.Module, *FUNCTIONS, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True)
class Binding:
    """What a name stands for in a scope.

    Attributes:
        kind: "import", "def", "class", "assign" or "other" (an argument, a loop's name …).
        target: for an import the dotted thing it names.
        node: the definition, the import, or the assigned value.
    """

    kind: str
    target: str = ""
    node: ast.AST | None = None


class ModuleIndex:
    """One parsed module: its tree, parents, scopes and bindings.

    Raises:
        SyntaxError, ValueError, RecursionError: the text is no Python 3.
    """

    def __init__(self, source: Source, name: str, is_package: bool) -> None:
        self.source = source
        self.name = name
        self.is_package = is_package
        self.tree = ast.parse(source.text, source.path)
        self.parents: dict[ast.AST, ast.AST] = {}
        self.scopes: dict[ast.AST, dict[str, Binding]] = {}
        self.stars: list[str] = []
        self.calls: list[ast.Call] = []
        self.attributes: list[ast.Attribute] = []
        self.loads: list[ast.Name] = []
        self.functions: list[ast.FunctionDef | ast.AsyncFunctionDef] = []
        self.classes: list[ast.ClassDef] = []
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self._walk()

    # -- building ---------------------------------------------------------------------------

    def _walk(self) -> None:
        self.scopes[self.tree] = {}
        stack: list[tuple[ast.AST, ast.AST]] = [(self.tree, self.tree)]
        while stack:
            node, scope = stack.pop()
            inner = scope
            self._bind(node, scope)
            if node is not self.tree and isinstance(node, SCOPES):
                inner = node
                self.scopes[node] = self._arguments(node)
            for child in ast.iter_child_nodes(node):
                self.parents[child] = node
                outside = inner is node and child in getattr(node, "decorator_list", ())
                stack.append((child, scope if outside else inner))
        self.calls.sort(key=_where)
        self.attributes.sort(key=_where)
        self.loads.sort(key=_where)
        self.functions.sort(key=_where)
        self.classes.sort(key=_where)

    def _arguments(self, node: ast.AST) -> dict[str, Binding]:
        arguments = getattr(node, "args", None)
        if not isinstance(arguments, ast.arguments):
            return {}
        return {
            name.arg: Binding("other", node=name)
            for name in ast.walk(arguments)
            if isinstance(name, ast.arg)
        }

    def _bind(self, node: ast.AST, scope: ast.AST) -> None:
        names = self.scopes[scope]
        if isinstance(node, ast.Call):
            self.calls.append(node)
        elif isinstance(node, ast.Attribute):
            self.attributes.append(node)
        elif isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                names.setdefault(node.id, Binding("other", node=node))
            elif isinstance(node.ctx, ast.Load):
                self.loads.append(node)
        elif isinstance(node, FUNCTIONS):
            self.functions.append(node)
            names[node.name] = Binding("def", node=node)
        elif isinstance(node, ast.ClassDef):
            self.classes.append(node)
            names[node.name] = Binding("class", node=node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            self._bind_import(node, names)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    old = names.get(target.id)
                    kind = "assign" if old is None or old.kind == "assign" else "other"
                    if old is None or old.kind not in ("def", "class", "import"):
                        names[target.id] = Binding(kind, node=node.value)

    def _bind_import(self, node: ast.Import | ast.ImportFrom, names: dict[str, Binding]) -> None:
        self.imports.append(node)
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                name = alias.asname or top
                names[name] = Binding("import", alias.name if alias.asname else top, node)
            return
        base = self.absolute(node)
        for alias in node.names:
            if alias.name == "*":
                self.stars.append(base)
            else:
                name = alias.asname or alias.name
                names[name] = Binding("import", f"{base}.{alias.name}", node)

    def absolute(self, node: ast.ImportFrom) -> str:
        """The absolute module that a `from` import names."""
        if not node.level:
            return node.module or ""
        parts = self.name.split(".")
        drop = node.level - (1 if self.is_package else 0)
        base = parts[: len(parts) - drop] if drop else parts
        return ".".join([*base, *([node.module] if node.module else [])])

    # -- asking -----------------------------------------------------------------------------

    @property
    def path(self) -> str:
        """The file's path in the tree."""
        return self.source.path

    @property
    def top(self) -> dict[str, Binding]:
        """What the module itself binds."""
        return self.scopes[self.tree]

    def column(self, node: ast.AST) -> int:
        """0-based column in characters (ast counts UTF-8 bytes)."""
        offset = node.col_offset  # type: ignore[attr-defined]
        line = self.source.lines[node.lineno - 1]  # type: ignore[attr-defined]
        if line.isascii():
            return offset
        return len(line.encode()[:offset].decode(errors="ignore"))

    def end(self, node: ast.AST) -> tuple[int, int]:
        """1-based line and 0-based column in characters where a node ends."""
        line = self.source.lines[node.end_lineno - 1]  # type: ignore[attr-defined]
        offset = node.end_col_offset  # type: ignore[attr-defined]
        if not line.isascii():
            offset = len(line.encode()[:offset].decode(errors="ignore"))
        return node.end_lineno, offset  # type: ignore[attr-defined]

    def edit(self, kind: str, node: ast.AST, replace, imports=(), drops=()) -> Edit:
        """An edit of the LibCST node that stands exactly where an ast node stands."""
        if (
            isinstance(node, ast.Tuple)
            and node.elts
            and self.column(node.elts[0]) != self.column(node)
        ):
            first = node.elts[0]  # LibCST counts a tuple without its parentheses
            return Edit(
                kind,
                first.lineno,
                self.column(first),
                replace,
                imports=tuple(imports),
                drops=tuple(drops),
            )
        return Edit(
            kind,
            node.lineno,
            self.column(node),
            replace,  # type: ignore[attr-defined]
            end=self.end(node),
            imports=tuple(imports),
            drops=tuple(drops),
        )

    def text(self, node: ast.AST) -> str:
        """The node's source text (made up where the node was made up)."""
        if not hasattr(node, "end_lineno") or node not in self.parents:
            return ast.unparse(node)
        row, column = node.lineno - 1, self.column(node)  # type: ignore[attr-defined]
        last, end = self.end(node)
        lines = self.source.lines[row:last]
        lines[-1] = lines[-1][:end]
        lines[0] = lines[0][column:]
        return "\n".join(lines)

    def scopes_of(self, node: ast.AST) -> Iterator[ast.AST]:
        """The scopes around a node, innermost first."""
        current: ast.AST | None = self.parents.get(node)
        previous: ast.AST = node
        while current is not None:
            if isinstance(current, SCOPES) and previous not in getattr(
                current, "decorator_list", ()
            ):
                yield current
            previous, current = current, self.parents.get(current)
        if node is self.tree:
            yield self.tree

    def class_around(self, node: ast.AST) -> ast.ClassDef | None:
        """The innermost class that a node stands in."""
        return next((s for s in self.scopes_of(node) if isinstance(s, ast.ClassDef)), None)

    def binding(self, name: str, at: ast.AST) -> Binding | None:
        """What a name stands for at a node; None when this module does not bind it."""
        scope = self.binding_scope(name, at)
        return self.scopes[scope][name] if scope is not None else None

    def binding_scope(self, name: str, at: ast.AST) -> ast.AST | None:
        """The scope that a name is bound in, seen from a node."""
        innermost = True
        for scope in self.scopes_of(at):
            if (innermost or not isinstance(scope, ast.ClassDef)) and name in self.scopes[scope]:
                return scope
            innermost = False
        return None

    def dotted(self, node: ast.AST, followed: frozenset[ast.AST] = frozenset()) -> str | None:
        """The dotted name an expression stands for, as far as this module knows.

        Local definitions get this module's name in front: `tasks.send.delay` in `shop.views`,
        after `from shop import tasks`, is `shop.tasks.send.delay`.

        Args:
            node: the expression.
            followed: the values of assignments on the way here; `x = x.parent` leads nowhere.
        """
        if isinstance(node, ast.Attribute):
            base = self.dotted(node.value, followed)
            return f"{base}.{node.attr}" if base else None
        if not isinstance(node, ast.Name):
            return None
        found = self.binding(node.id, node)
        if found is None:
            return f"{self.stars[0]}.{node.id}" if len(self.stars) == 1 else None
        if found.kind == "import":
            return found.target
        if found.kind == "assign" and isinstance(found.node, ast.Name | ast.Attribute):
            if found.node in followed:
                return None
            return self.dotted(found.node, followed | {found.node})
        if found.kind in ("def", "class", "assign"):
            return self._qualified(node.id, node)
        return None

    def _qualified(self, name: str, at: ast.AST) -> str | None:
        for scope in self.scopes_of(at):
            if name in self.scopes[scope]:
                prefix = self.qualname(scope)
                return ".".join(part for part in (self.name, prefix, name) if part)
        return None

    def qualname(self, node: ast.AST) -> str:
        """Dotted path of a definition inside this module; "" for the module itself."""
        parts: list[str] = []
        current: ast.AST | None = node
        while current is not None and not isinstance(current, ast.Module):
            if isinstance(current, (*FUNCTIONS, ast.ClassDef)):
                parts.append(current.name)
            elif isinstance(current, ast.Lambda):
                parts.append("<lambda>")
            current = self.parents.get(current)
        return ".".join(reversed(parts))

    def statement(self, node: ast.AST) -> ast.stmt:
        """The statement that holds an expression."""
        current = node
        while not isinstance(current, ast.stmt):
            current = self.parents[current]
        return current

    def value_unused(self, node: ast.AST) -> bool:
        """Whether an expression's value goes nowhere (a statement, or on_commit's lambda)."""
        parent = self.parents.get(node)
        if isinstance(parent, ast.Expr):
            return True
        if isinstance(parent, ast.Lambda) and parent.body is node:
            call = self.parents.get(parent)
            return (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute | ast.Name)
                and self.text(call.func).endswith("on_commit")
            )
        return False

    @cached_property
    def strings(self) -> list[ast.Constant]:
        """Every string constant."""
        return [
            node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]


def _where(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]
