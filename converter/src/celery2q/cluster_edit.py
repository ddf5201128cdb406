"""Keys added to a Q_CLUSTER that is there, in its own layout."""

from __future__ import annotations

import libcst as cst

from celery2q.qcluster import REASONS, literal


def completed(old: cst.Dict, added: dict[str, object]) -> cst.Dict:
    """The dict with more keys at its end, each below its reason where keys have lines.

    Args:
        old: the dict.
        added: values by key.
    """
    elements = list(old.elements)
    first_space = old.lbrace.whitespace_after
    gap: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
    if isinstance(first_space, cst.ParenthesizedWhitespace):
        gap = cst.ParenthesizedWhitespace(
            indent=first_space.indent, last_line=first_space.last_line
        )
    last = elements[-1].comma if elements else cst.MaybeSentinel.DEFAULT
    rest = old.rbrace.whitespace_before  # a last comma's own space is never more than a blank
    before = rest if elements else gap
    mark = '"'
    if elements and isinstance(elements[0], cst.DictElement):
        key = elements[0].key
        mark = key.value[0] if isinstance(key, cst.SimpleString) else mark
    for name, value in added.items():
        text = literal(value)
        if elements:
            comma = cst.Comma(whitespace_after=_next_line(gap, before, REASONS.get(name, "")))
            elements[-1] = elements[-1].with_changes(comma=comma)
            before = gap
        elements.append(
            cst.DictElement(
                cst.SimpleString(f"{mark}{name}{mark}"),
                cst.parse_expression(text if mark == '"' else text.replace('"', "'")),
            )
        )
    elements[-1] = elements[-1].with_changes(comma=last)
    rbrace = old.rbrace.with_changes(whitespace_before=_bare(rest))
    return old.with_changes(elements=elements, rbrace=rbrace)


def _bare(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """A line's end without the comments that stand there."""
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return space
    line = cst.TrailingWhitespace(newline=space.first_line.newline)
    return space.with_changes(first_line=line, empty_lines=[])


def _next_line(
    gap: cst.BaseParenthesizableWhitespace,
    before: cst.BaseParenthesizableWhitespace,
    reason: str,
) -> cst.BaseParenthesizableWhitespace:
    """The space before a new key: the comments that stood there, then what the key is for.

    Args:
        gap: the space between two keys.
        before: the space that stood after the key before.
        reason: a comment's text; "" for none. Only where each key has a line of its own.
    """
    if not isinstance(gap, cst.ParenthesizedWhitespace):
        return gap
    lines = []
    if isinstance(before, cst.ParenthesizedWhitespace):
        gap = gap.with_changes(first_line=before.first_line)
        lines = list(before.empty_lines)
    if reason:
        comment = cst.Comment(f"# {reason}")
        lines.append(cst.EmptyLine(whitespace=gap.last_line, comment=comment))
    return gap.with_changes(empty_lines=lines)
