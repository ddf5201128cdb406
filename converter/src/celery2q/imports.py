"""Imports of a file: adding what new code needs, dropping what nothing uses any more."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterable

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from celery2q.index import ModuleIndex
from celery2q.slices import rewrite_lines
from celery2q.sources import Source


def _uses(index: ModuleIndex) -> set[tuple[ast.AST, str]]:
    """(scope, name) of every name that is read, at the scope that binds it."""
    used: set[tuple[ast.AST, str]] = set()
    for node in ast.walk(index.tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Store):
            scope = index.binding_scope(node.id, node)
            used.add((scope or index.tree, node.id))
        for text in _written_names(node):
            for inner in ast.walk(text) if text is not None else ():
                if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                    for name in re.findall(r"\w+", inner.value):
                        used.add((index.tree, name))
    return used


def _written_names(node: ast.AST) -> list[ast.AST | None]:
    """Expressions whose strings name something: `__all__`, annotations, casts."""
    if isinstance(node, ast.arg | ast.AnnAssign):
        return [node.annotation]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return [node.returns]
    if isinstance(node, ast.Assign | ast.AugAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(item, ast.Name) and item.id == "__all__" for item in targets):
            return [node.value]
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("cast"):
        return list(node.args[:1])
    return []


class _Drop(cst.CSTTransformer):
    """Removes import aliases by (line, name); a statement that loses all of them goes."""

    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, gone: set[tuple[int, str]], offset: int) -> None:
        super().__init__()
        self.gone = gone
        self.offset = offset

    def _alias_name(self, alias: cst.ImportAlias) -> str:
        if alias.asname:
            return alias.evaluated_alias or ""
        return alias.evaluated_name.split(".")[0]

    def _kept(self, original, updated: cst.Import | cst.ImportFrom):
        if isinstance(updated.names, cst.ImportStar):
            return updated
        line = self.get_metadata(PositionProvider, original).start.line + self.offset
        kept = [
            alias for alias in updated.names if (line, self._alias_name(alias)) not in self.gone
        ]
        if len(kept) == len(updated.names):
            return updated
        if not kept:
            return cst.RemoveFromParent()
        last = updated.names[-1]
        if kept[-1] is not last:
            kept[-1] = kept[-1].with_changes(comma=last.comma)
        return updated.with_changes(names=kept)

    def leave_Import(self, original_node, updated_node):
        return self._kept(original_node, updated_node)

    def leave_ImportFrom(self, original_node, updated_node):
        return self._kept(original_node, updated_node)

    def leave_SimpleStatementLine(self, original_node, updated_node):
        if original_node.body and not updated_node.body:
            return cst.RemoveFromParent()
        return updated_node

    def leave_IndentedBlock(self, original_node, updated_node):
        if updated_node.body:
            return updated_node
        return updated_node.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])


def drop_imports(code: str, names: Iterable[str]) -> str:
    """Drop imports of these local names where nothing uses what they bind any more."""
    wanted = set(names)
    index = ModuleIndex(Source("", code), "", False)
    used = _uses(index)
    gone = {
        (node.lineno, name)
        for node in index.imports
        for alias in node.names
        if (name := alias.asname or alias.name.split(".")[0]) in wanted
        and (next(index.scopes_of(node)), name) not in used
    }
    if not gone:
        return code

    def rewrite(module: cst.Module, start: int) -> cst.Module:
        wrapper = MetadataWrapper(module, unsafe_skip_copy=True)
        return wrapper.visit(_Drop(gone, start - 1))

    return rewrite_lines(code, [line for line, _ in gone], rewrite)


def add_imports(code: str, needs: Iterable[tuple[str, str]], packages: frozenset[str]) -> str:
    """Add imports at a file's top, beside their like; those there already are left alone.

    Args:
        code: the file's text.
        needs: (module, name) pairs; name "" means `import module`.
        packages: the tree's own top-level packages.
    """
    for module, name in sorted(needs):
        tree = ast.parse(code)
        if not _has(tree, module, name):
            code = _add_one(code, tree, module, name, packages)
    return code


def _has(tree: ast.Module, module: str, name: str) -> bool:
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and not node.level and node.module == module:
            plain, _, asname = name.partition(" as ")
            if any(alias.name == plain and (alias.asname or "") == asname for alias in node.names):
                return True
        elif isinstance(node, ast.Import) and not name:
            if any(alias.name == module and not alias.asname for alias in node.names):
                return True
    return False


def _add_one(code: str, tree: ast.Module, module: str, name: str, packages: frozenset[str]) -> str:
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", code)
    end = "\r\n" if "\r\n" in code else "\n"
    statement = f"from {module} import {name}" if name else f"import {module}"
    for node in tree.body:
        simple = node.lineno == getattr(node, "end_lineno", 0)
        if (
            isinstance(node, ast.ImportFrom)
            and node.module == module
            and not node.level
            and name
            and simple
            and "#" not in lines[node.lineno - 1]
            and "(" not in lines[node.lineno - 1]
            and "\\" not in lines[node.lineno - 1]
            and ";" not in lines[node.lineno - 1]
        ):
            old = lines[node.lineno - 1].rstrip("\r\n")
            names = sorted(
                [f"{a.name} as {a.asname}" if a.asname else a.name for a in node.names] + [name],
                key=str.lower,
            )
            merged = f"from {module} import {', '.join(names)}"
            if len(merged) <= 88:
                lines[node.lineno - 1] = merged + lines[node.lineno - 1][len(old) :]
                return "".join(lines)
    row, blank = _place(tree, module, packages)
    while 0 < row < len(lines) and lines[row - 1].rstrip("\r\n").endswith("\\"):
        row += 1
    if row and not lines[row - 1].endswith(("\n", "\r")):
        lines[row - 1] += end
    after = end if row < len(lines) and lines[row].strip() and blank else ""
    before = end if blank and row and lines[row - 1].strip() else ""
    lines.insert(row, f"{before}{statement}{end}{after}")
    return "".join(lines)


def _in_first_block(
    plain: list[tuple[ast.stmt, str]], module: str, packages: frozenset[str]
) -> tuple[int, bool]:
    """The place of a standard library's import: in the first block, if it is not Django's."""
    if not plain:
        return 0, True
    block = [plain[0]]
    for node, name in plain[1:]:
        if node.lineno > (block[-1][0].end_lineno or 0) + 1:
            break
        block.append((node, name))
    if any(
        name.startswith(("django", ".", "celery")) or name.split(".")[0] in packages
        for _, name in block
    ):
        return block[0][0].lineno - 1, False
    before = [node for node, name in block if isinstance(node, ast.Import) or name <= module]
    return (before[-1].end_lineno or 0, False) if before else (block[0][0].lineno - 1, False)


def _place(tree: ast.Module, module: str, packages: frozenset[str]) -> tuple[int, bool]:
    """The row (0-based) for a new import, and whether it stands in a block of its own."""
    top = module.split(".")[0]
    imports = []
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level:
            imports.append((node, "."))
        elif isinstance(node, ast.ImportFrom):
            imports.append((node, node.module or ""))
        elif isinstance(node, ast.Import):
            imports.append((node, node.names[0].name))
    plain = [(node, name) for node, name in imports if name != "__future__"]
    own = [node for node, name in plain if name.split(".")[0] in packages]
    third = [node for node, name in plain if name.startswith("django")]
    if top in packages and own:
        before = [node for node, name in plain if node in own and name <= module]
        return (before[-1].end_lineno, False) if before else (own[0].lineno - 1, False)
    if top == "functools":
        return _in_first_block(plain, module, packages)
    if top in ("django", "django_q") and third:
        before = [node for node, name in plain if node in third and name <= module]
        return ((before or third)[-1].end_lineno, False) if before else (third[0].lineno - 1, False)
    if top not in packages and own:
        others = [node for node, name in plain if node not in own and name != "."]
        others = [node for node in others if node.lineno < own[0].lineno]
        names = {node: name.split(".")[0] for node, name in plain}
        if others and names[others[-1]] not in sys.stdlib_module_names:
            return others[-1].end_lineno, False
        return own[0].lineno - 1, True
    if plain:
        relative = [node for node, name in plain if name == "."]
        if relative:
            return relative[0].lineno - 1, False
        last, name = plain[-1]
        apart = name.split(".")[0] in sys.stdlib_module_names or top in packages
        return last.end_lineno or 0, apart
    if imports:
        return imports[-1][0].end_lineno, True
    body = tree.body
    docstring = (
        bool(body) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
    )
    if docstring:
        return body[0].end_lineno or 0, True
    if not body:
        return 0, False
    first = body[0]
    decorated = getattr(first, "decorator_list", None)
    return (decorated[0].lineno if decorated else first.lineno) - 1, True
