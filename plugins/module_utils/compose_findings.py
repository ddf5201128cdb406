# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What the editor of Compose files has to say: a place, what is there, what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ERROR = "error"
WARNING = "warning"
NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing that a person should know about a Compose file.

    Attributes:
        level: `error` (the file is not edited), `warning` or `note`.
        file: the Compose file, as the project names it.
        line: 1-based; 0 when it concerns the file as a whole.
        found: what is there.
        expected: what would have been right; empty when nothing is wrong.
        fix: what to do; empty when there is nothing to do.
    """

    level: str
    file: str
    line: int
    found: str
    expected: str = ""
    fix: str = ""

    @property
    def sentence(self) -> str:
        """The finding in one line of text."""
        place = f"{self.file}:{self.line}" if self.line else self.file
        parts = [f"{place}: {self.found}."]
        if self.expected:
            parts.append(f"Expected: {self.expected}.")
        if self.fix:
            parts.append(f"{self.fix}.")
        return " ".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain values, with its sentence."""
        return {
            "level": self.level,
            "file": self.file,
            "line": self.line,
            "found": self.found,
            "expected": self.expected,
            "fix": self.fix,
            "sentence": self.sentence,
        }


class Refusal(Exception):
    """The files cannot be edited safely; `finding` says where and why."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.sentence)
        self.finding = finding


def refuse(file: str, line: int, found: str, expected: str = "", fix: str = "") -> Refusal:
    """A refusal with a finding of level error."""
    return Refusal(Finding(ERROR, file, line, found, expected, fix))
