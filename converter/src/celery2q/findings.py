"""What the rules say about a tree: findings, the edits that settle them, and how to silence one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any


class Level(IntEnum):
    """How bad a finding is; only errors decide the exit status."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    @property
    def word(self) -> str:
        """The level as reports spell it."""
        return self.name.lower()


@dataclass(frozen=True)
class Edit:
    """One change of one syntax node, made by LibCST.

    Attributes:
        node: class name of the LibCST node, for instance "Call".
        line: 1-based line where the node starts.
        column: 0-based column in characters where the node starts.
        end: 1-based line and 0-based column where it ends, where that is needed to tell it
            from another one of its kind that starts at the same place.
        replace: takes the node, with edits inside it already made, and gives what stands
            in its place (a node, a FlattenSentinel or a RemovalSentinel).
        imports: (module, name) pairs the new code needs; name "" means `import module`.
        drops: local names whose import goes when nothing uses them any more.
    """

    node: str
    line: int
    column: int
    replace: Callable[[Any], Any]
    end: tuple[int, int] | None = None
    imports: tuple[tuple[str, str], ...] = ()
    drops: tuple[str, ...] = ()


@dataclass(frozen=True)
class TextEdit:
    """One change of a file as text, made after the edits of its syntax.

    Attributes:
        path: the file; it need not exist yet.
        replace: takes the text ("" for a new file) and gives the new one, or None when the
            file goes. It must give the same text again when it has been applied before.
    """

    path: str
    replace: Callable[[str], str | None]


@dataclass(frozen=True)
class Finding:
    """One thing that breaks or means something else under Django-Q2.

    Attributes:
        rule: id of the rule, for instance "task-call".
        level: how bad it is.
        path: file relative to the tree's root, with forward slashes.
        line: 1-based line; 1 for what concerns the file as a whole.
        column: 1-based column in characters.
        message: one sentence that says what was found.
        fix: one sentence that says what to do.
        edits: changes that settle it; empty means a person must.
    """

    rule: str
    level: Level
    path: str
    line: int
    column: int
    message: str
    fix: str
    edits: tuple[Edit | TextEdit, ...] = field(default=(), compare=False)

    @property
    def convertible(self) -> bool:
        """Whether `celery2q convert` settles this one by itself."""
        return bool(self.edits)

    def as_dict(self) -> dict[str, Any]:
        """The finding for the JSON report."""
        return {
            "rule": self.rule,
            "level": self.level.word,
            "path": self.path,
            "line": self.line,
            "column": self.column,
            "message": self.message,
            "fix": self.fix,
            "convertible": self.convertible,
        }


_IGNORE = re.compile(r"celery2q:\s*ignore\[([\w\-,\s]+)\]\s*(.*)")


def ignored_rules(line: str) -> tuple[set[str], str]:
    """Rules that a line's comment silences, and the reason it gives.

    >>> ignored_rules("x.delay()  # celery2q: ignore[task-call] not a task of ours")
    ({'task-call'}, 'not a task of ours')
    """
    match = _IGNORE.search(line)
    if not match:
        return set(), ""
    reason = re.sub(r"(?:-->|\*/|#\})\s*$", "", match.group(2)).strip(" :-—")
    return {name.strip() for name in match.group(1).split(",")}, reason


def silence(findings: list[Finding], lines_of: Callable[[str], list[str]]) -> list[Finding]:
    """Drop the findings whose line says so with a reason; a bare ignore is a finding itself.

    Args:
        findings: what the rules found.
        lines_of: gives a file's lines.
    """
    kept: list[Finding] = []
    complained: set[tuple[str, int]] = set()
    for finding in findings:
        lines = lines_of(finding.path)
        text = lines[finding.line - 1] if 0 < finding.line <= len(lines) else ""
        rules, reason = ignored_rules(text)
        if finding.rule not in rules:
            kept.append(finding)
        elif not reason and (finding.path, finding.line) not in complained:
            complained.add((finding.path, finding.line))
            kept.append(finding)
            kept.append(
                Finding(
                    "ignore-without-reason",
                    Level.WARNING,
                    finding.path,
                    finding.line,
                    1,
                    "This line silences a rule without saying why, so it stays in force.",
                    "Write the reason after the bracket.",
                )
            )
        elif not reason:
            kept.append(finding)
    return kept
