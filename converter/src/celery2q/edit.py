"""Applying edits to one Python file with LibCST; everything else stays byte for byte."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Sequence

import libcst as cst
from libcst.metadata import MetadataWrapper, PositionProvider

from celery2q.findings import Edit
from celery2q.imports import add_imports, drop_imports
from celery2q.slices import rewrite_lines

Key = tuple[str, int, int, tuple[int, int] | None]


def key_of(edit: Edit) -> Key:
    """What tells an edit's node from all others."""
    return edit.node, edit.line, edit.column, edit.end


class Broken(Exception):
    """The edited text is no Python any more; the file is left as it was."""


class _Apply(cst.CSTTransformer):
    METADATA_DEPENDENCIES = (PositionProvider,)

    def __init__(self, edits: dict[Key, list[Edit]], offset: int) -> None:
        super().__init__()
        self.edits = edits
        self.offset = offset
        self.kinds = frozenset(key[0] for key in edits)
        self.done: set[Key] = set()

    def on_leave(self, original_node, updated_node):
        updated_node = super().on_leave(original_node, updated_node)
        kind = type(original_node).__name__
        if kind in self.kinds:
            place = self.get_metadata(PositionProvider, original_node)
            start, end, skip = place.start, place.end, self.offset
            for at in ((end.line + skip, end.column), None):
                key = (kind, start.line + skip, start.column, at)
                if key in self.edits and key not in self.done:
                    updated_node = self.edits[key][0].replace(updated_node)
                    self.done.add(key)
        return updated_node

    def leave_List(self, original_node: cst.List, updated_node: cst.List) -> cst.List:
        return _without_last_comma(original_node, updated_node)

    def leave_Tuple(self, original_node: cst.Tuple, updated_node: cst.Tuple) -> cst.Tuple:
        return _without_last_comma(original_node, updated_node)

    def leave_IndentedBlock(
        self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        if updated_node.body:
            return updated_node
        return updated_node.with_changes(body=[cst.SimpleStatementLine([cst.Pass()])])


def _without_last_comma(original, updated):
    """A list that lost its last element ends as it ended before."""
    old, new = original.elements, updated.elements
    if not new or len(new) == len(old) or (isinstance(updated, cst.Tuple) and len(new) == 1):
        return updated
    if isinstance(old[-1].comma, cst.MaybeSentinel) and isinstance(new[-1].comma, cst.Comma):
        last = new[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return updated.with_changes(elements=[*new[:-1], last])
    return updated


def apply_edits(text: str, edits: Sequence[Edit], packages: frozenset[str]) -> tuple[str, set[Key]]:
    """Make all edits of one file in one pass.

    Args:
        text: the file's text.
        edits: what to change.
        packages: the tree's own top-level packages, for the place of new imports.

    Returns:
        The new text and the keys of the edits that found their node.

    Raises:
        Broken: the result does not parse, or LibCST cannot read the file.
    """
    grouped: dict[Key, list[Edit]] = defaultdict(list)
    for edit in edits:
        grouped[key_of(edit)].append(edit)
    done: set[Key] = set()

    def rewrite(module: cst.Module, start: int) -> cst.Module:
        apply = _Apply(grouped, start - 1)
        module = MetadataWrapper(module, unsafe_skip_copy=True).visit(apply)
        done.update(apply.done)
        return module

    try:
        code = rewrite_lines(text, [edit.line for edit in edits], rewrite)
        made = [edit for key in done for edit in grouped[key]]
        drops = {name for edit in made for name in edit.drops}
        needs = {need for edit in made for need in edit.imports}
        if needs:
            code = add_imports(code, needs, packages)
        if drops:
            code = drop_imports(code, drops)
        ast.parse(code)
    except (cst.ParserSyntaxError, cst.CSTValidationError, SyntaxError, ValueError) as error:
        raise Broken(str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise Broken("nested too deeply") from error
    return code, done
