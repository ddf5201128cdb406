"""Rewriting only the top-level statements that change; LibCST never sees the rest of a file."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable

import libcst as cst

NAMES_CELERY = re.compile(r"celery|beat\b", re.IGNORECASE)
#: Takes a statement as a module of its own and the line it starts on; gives what it becomes.
Rewrite = Callable[[cst.Module, int], cst.Module]


def split_lines(text: str) -> list[str]:
    """Lines with their ends, counted as Python's parser does."""
    return re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text)


def spans(tree: ast.Module) -> list[tuple[int, int]]:
    """First and last line (1-based) of each top-level statement, its decorators included."""
    found: list[tuple[int, int]] = []
    for node in tree.body:
        decorators = [item.lineno for item in getattr(node, "decorator_list", ())]
        start, end = min([node.lineno, *decorators]), node.end_lineno or node.lineno
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _without_gap(lines: list[str], start: int, end: int) -> tuple[int, int]:
    """Widen a removed block so that the blank lines around it do not add up."""
    before = after = 0
    while start - 2 - before >= 0 and not lines[start - 2 - before].strip():
        before += 1
    while end + after < len(lines) and not lines[end + after].strip():
        after += 1
    if start - 1 - before == 0:
        return start - before, end + after
    if end + after == len(lines):
        return start - before, end + after
    return start - min(before, after), end


def _heading(lines: list[str], start: int, end: int) -> int:
    """Lines above a removed block that head what is gone with it.

    A comment that names Celery, with blank lines around it, and no code below before the next
    comment: the section has nothing in it any more.
    """
    above = start - 1
    while above and not lines[above - 1].strip():
        above -= 1
    first = above
    while first and lines[first - 1].startswith("#"):
        first -= 1
    apart = above < start - 1 and (first == 0 or not lines[first - 1].strip())
    below = next((line for line in lines[end:] if line.strip()), "#")
    names = any(NAMES_CELERY.search(line) for line in lines[first:above])
    return start - 1 - first if apart and names and below.startswith("#") else 0


def rewrite_lines(text: str, wanted: Iterable[int], rewrite: Rewrite) -> str:
    """Rewrite the top-level statements that hold the wanted lines.

    Args:
        text: the file.
        wanted: 1-based lines.
        rewrite: what to do with each such statement.

    Raises:
        SyntaxError, cst.ParserSyntaxError: the text is no Python 3.
    """
    tree = ast.parse(text)
    lines = split_lines(text)
    rows = sorted(set(wanted))
    ends = "\r\n" if "\r\n" in text else "\n"
    for start, end in reversed(spans(tree)):
        if not any(start <= row <= end for row in rows):
            continue
        part = "".join(lines[start - 1 : end])
        imports = part.startswith(("import ", "from "))
        module = cst.parse_module(part)
        if module.default_newline != ends and "\n" not in part.rstrip("\r\n"):
            module = module.with_changes(default_newline=ends)
        code = rewrite(module, start).code
        new = split_lines(code)
        if not code.strip():
            new = []
            while start > 1 and not imports and lines[start - 2].startswith("#"):
                start -= 1  # a comment that stands right above says what went
            start -= 0 if imports else _heading(lines, start, end)
            start, end = _without_gap(lines, start, end)
        elif new and not new[-1].endswith(("\n", "\r")) and end < len(lines):
            new[-1] += ends
        lines[start - 1 : end] = new
    return "".join(lines)
