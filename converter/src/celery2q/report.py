"""Reports: text for people, JSON for tools, SARIF for code hosts, diff for reviewers."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from celery2q import __version__
from celery2q.context import all_rules
from celery2q.engine import Conversion
from celery2q.findings import Finding, Level
from celery2q.sources import Problem

_SARIF_LEVELS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "note"}


def text(findings: Iterable[Finding], problems: Iterable[Problem], notes: bool = True) -> str:
    """One line a finding, its fix below it, a count at the end.

    Args:
        findings: what was found.
        problems: inputs that were skipped.
        notes: whether notes are listed one by one (they are counted in any case).
    """
    lines = []
    count: Counter[str] = Counter()
    for item in findings:
        count[item.level.word] += 1
        if item.level is Level.NOTE and not notes:
            continue
        lines.append(
            f"{item.path}:{item.line}:{item.column}: {item.level.word}[{item.rule}] {item.message}"
        )
        lines.append(f"    fix: {item.fix}")
    for problem in problems:
        count["skipped"] += 1
        lines.append(f"{problem.path}: skipped: {problem.reason}")
    words = [f"{count[word]} {word}s" for word in ("error", "warning", "note")]
    lines.append(", ".join([*words, f"{count['skipped']} files skipped"]))
    return "\n".join(lines) + "\n"


def as_json(findings: Iterable[Finding], problems: Iterable[Problem], **more: Any) -> str:
    """The findings as a JSON document."""
    items = list(findings)
    document = {
        "version": 1,
        "tool": f"celery2q {__version__}",
        "findings": [item.as_dict() for item in items],
        "skipped": [{"path": item.path, "reason": item.reason} for item in problems],
        "counts": by_rule(items),
        **more,
    }
    return json.dumps(document, indent=2) + "\n"


def by_rule(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings each rule has, most first."""
    return dict(Counter(item.rule for item in findings).most_common())


def sarif(findings: Iterable[Finding], problems: Iterable[Problem]) -> str:
    """The findings as SARIF 2.1.0."""
    results = [
        {
            "ruleId": item.rule,
            "level": _SARIF_LEVELS[item.level],
            "message": {"text": f"{item.message} {item.fix}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": item.path, "uriBaseId": "%SRCROOT%"},
                        "region": {"startLine": max(1, item.line), "startColumn": item.column},
                    }
                }
            ],
        }
        for item in findings
    ]
    notifications = [
        {"level": "error", "message": {"text": f"{item.path}: {item.reason}"}} for item in problems
    ]
    rules = [
        {"id": rule.id, "shortDescription": {"text": rule.summary}, "help": {"text": rule.doc}}
        for rule in all_rules()
    ]
    driver = {"name": "celery2q", "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver},
        "results": results,
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {"executionSuccessful": not notifications, "toolExecutionNotifications": notifications}
        ],
    }
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def diff(result: Conversion) -> str:
    """The changes of a conversion as a unified diff."""
    parts = []
    for path, after in sorted(result.changes.items()):
        source = result.before.files.get(path)
        before = source.text if source is not None else ""
        lines = difflib.unified_diff(
            before.splitlines(keepends=True),
            (after or "").splitlines(keepends=True),
            f"a/{path}" if source is not None else "/dev/null",
            f"b/{path}" if after is not None else "/dev/null",
        )
        for line in lines:
            parts.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(parts)


def markdown(result: Conversion) -> str:
    """A conversion for a reviewer: what is left first, then what was changed."""
    errors = [item for item in (*result.notes, *result.left) if item.level is Level.ERROR]
    warnings = [item for item in (*result.notes, *result.left) if item.level is Level.WARNING]
    notes = sum(item.level is Level.NOTE for item in (*result.notes, *result.left))
    lines = [
        "# From Celery to Django-Q2",
        "",
        f"{len(result.settled)} findings were settled in {len(result.changes)} files; "
        f"{len(errors)} errors and {len(warnings)} warnings are left for people, "
        f"{notes} further lines name Celery.",
    ]
    for title, items in (("Left: errors", errors), ("Left: warnings", warnings)):
        if items:
            lines += [
                "",
                f"## {title}",
                "",
                "| where | rule | what | what to do |",
                "|---|---|---|---|",
            ]
            lines += [
                f"| `{item.path}:{item.line}` | {item.rule} | {_cell(item.message)} "
                f"| {_cell(item.fix)} |"
                for item in items
            ]
    if result.problems:
        lines += ["", "## Skipped", ""]
        lines += [f"- `{item.path}`: {item.reason}" for item in result.problems]
    lines += ["", "## Changed", "", "| rule | findings settled |", "|---|---|"]
    lines += [f"| {rule} | {count} |" for rule, count in by_rule(result.settled).items()]
    lines += ["", "Files:", ""]
    for path, text in sorted(result.changes.items()):
        state = "removed" if text is None else "changed" if path in result.before.files else "new"
        lines.append(f"- `{path}` ({state})")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
