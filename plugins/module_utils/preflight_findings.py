# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Findings of the preflight: what was found, what was expected, what to do; and how they read."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

LEVELS = ("error", "warning", "note")


@dataclass
class Judgement:
    """What a set of rules came to.

    Attributes:
        findings: [{id, level (error|warning|note), found, expected, fix}].
        unchecked: [{what, because}], what could not be looked at and why.
    """

    findings: list[dict[str, str]] = field(default_factory=list)
    unchecked: list[dict[str, str]] = field(default_factory=list)

    def error(self, identifier: str, found: str, expected: str, fix: str) -> None:
        """Add a finding that forbids the migration."""
        self._add("error", identifier, found, expected, fix)

    def warning(self, identifier: str, found: str, expected: str, fix: str) -> None:
        """Add a finding that the operator should know and may accept."""
        self._add("warning", identifier, found, expected, fix)

    def note(self, identifier: str, found: str, expected: str = "", fix: str = "") -> None:
        """Add a finding that asks for nothing."""
        self._add("note", identifier, found, expected, fix)

    def skip(self, what: str, because: str) -> None:
        """Say that something was not checked."""
        self.unchecked.append({"what": what, "because": because})

    def take(self, findings: list[dict[str, Any]], prefix: str = "") -> None:
        """Add findings that were made elsewhere, in the same form."""
        for item in findings:
            self._add(
                item.get("level", "error"),
                prefix + str(item["id"]),
                str(item.get("found", "")),
                str(item.get("expected", "")),
                str(item.get("fix", "")),
            )

    def _add(self, level: str, identifier: str, found: str, expected: str, fix: str) -> None:
        item = {
            "id": identifier,
            "level": level,
            "found": found,
            "expected": expected,
            "fix": fix,
        }
        if item not in self.findings:
            self.findings.append(item)

    @property
    def blocked(self) -> bool:
        """Whether an error was found."""
        return any(item["level"] == "error" for item in self.findings)

    def has(self, identifier: str) -> bool:
        """Whether there is a finding of that id."""
        return any(item["id"] == identifier for item in self.findings)


def human(size: float) -> str:
    """A size in bytes for people: `1.5 GiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(size) < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def listed(names: list[str], count: int = 6) -> str:
    """Names as one text, the first `count` of them."""
    shown = ", ".join(names[:count])
    return shown + (f" and {len(names) - count} more" if len(names) > count else "")


def in_order(findings: list[dict[str, str]]) -> list[dict[str, str]]:
    """The findings, errors first, otherwise as they came."""
    return sorted(findings, key=lambda item: LEVELS.index(item["level"]))


def headline(findings: list[dict[str, str]]) -> str:
    """How many findings there are, by level."""
    counts = {level: sum(item["level"] == level for item in findings) for level in LEVELS}
    words = [f"{count} {level}{'' if count == 1 else 's'}" for level, count in counts.items()]
    return ", ".join(words)


def as_text(
    findings: list[dict[str, str]], unchecked: list[dict[str, str]], width: int = 100
) -> str:
    """All findings as a list for people: level and id, then found, expected and what to do."""

    def paragraph(label: str, text: str) -> list[str]:
        if not text:
            return []
        head = f"    {label:<9}"
        lines: list[str] = []
        for part in text.splitlines():
            lines += textwrap.wrap(
                part, width - len(head), break_long_words=False, break_on_hyphens=False
            )
        return [
            (head if number == 0 else " " * len(head)) + line for number, line in enumerate(lines)
        ]

    lines: list[str] = []
    for item in in_order(findings):
        lines.append(f"{item['level'].upper()} {item['id']}")
        lines += paragraph("found", item["found"])
        lines += paragraph("expected", item["expected"])
        lines += paragraph("do", item["fix"])
    for item in unchecked:
        lines.append(f"NOT CHECKED {item['what']}")
        lines += paragraph("because", item["because"])
    return "\n".join(lines)


def of_failure(
    result: dict[str, Any], identifier: str, task: str, expected: str, fix: str
) -> dict[str, str]:
    """A failed task as a finding.

    Args:
        result: the task's result (`ansible_failed_result`).
        task: the task's name.
    """
    reasons = [item.get("msg") for item in result.get("results") or [] if item.get("failed")]
    said = "; ".join(str(item) for item in reasons if item) or str(
        result.get("msg") or result.get("reason") or ""
    )
    more = str(result.get("stderr") or "").strip().splitlines()[-8:]
    text = "\n".join([part for part in [said, *more] if part]) or "it failed and said nothing"
    return {
        "id": identifier,
        "level": "error",
        "found": ": ".join(part for part in (task.rpartition("| ")[2].strip(), text) if part),
        "expected": expected,
        "fix": fix,
    }


def of_places(findings: list[dict[str, Any]], identifier: str) -> list[dict[str, str]]:
    """Findings about places in files as findings of the preflight.

    Args:
        findings: [{level, file, line (0 for the whole file), found, expected, fix}].
    """
    return [
        {
            "id": identifier,
            "level": item["level"],
            "found": f"{item['file']}{':' + str(item['line']) if item['line'] else ''}: "
            + item["found"],
            "expected": item["expected"],
            "fix": item["fix"],
        }
        for item in findings
    ]
