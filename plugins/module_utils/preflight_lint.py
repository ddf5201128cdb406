# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What `celery2q lint` finds in a target release, as findings of the preflight."""

from __future__ import annotations

import difflib
import fnmatch
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.preflight_findings import (
    Judgement,
    human,
    listed,
)

# Errors that are listed one by one; more are counted.
SHOWN = 50
# Places of one rule's warnings that are listed.
PLACES = 8
# A rule that the linter has and does not list: it is about the comments that silence others.
UNLISTED = "ignore-without-reason"
# The rule about Compose files, which the deployment edits by itself.
COMPOSE = "compose-service"

EXPECTED = "code that neither needs Celery nor hands Django-Q2 what it cannot run"
WHAT = "the target's code: what a conversion left behind"


def problem(found: str, expected: str, fix: str) -> dict[str, str]:
    """The error that the linter could not do its work."""
    return {
        "id": "lint_impossible",
        "level": "error",
        "found": found,
        "expected": expected,
        "fix": fix + " Without the linter: preflight_lint: false.",
    }


def skipped(because: str) -> dict[str, str]:
    """The entry for what was not checked."""
    return {"what": WHAT, "because": because}


def place(item: dict[str, Any]) -> str:
    """Where a finding of the linter stands."""
    return f"{item['path']}:{item['line']}"


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 error`, `2 errors`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def accepts(entry: dict[str, Any], item: dict[str, Any]) -> bool:
    """Whether an entry of preflight_lint_accept means a finding."""
    path = entry.get("path") or "*"
    return entry["rule"] == item["rule"] and fnmatch.fnmatchcase(item["path"], path)


def demoted(item: dict[str, Any]) -> dict[str, Any]:
    """A finding as the deployment sees it: Compose's services are edited by itself."""
    if item["rule"] != COMPOSE or item["path"].rpartition("/")[2].lower().startswith("dockerfile"):
        return item
    fix = (
        item["fix"]
        if "deployment" in item["fix"]
        else (f"{item['fix']} In the deployment's own Compose files the migration edits qcluster.")
    )
    return {**item, "level": "warning" if item["level"] == "error" else item["level"], "fix": fix}


def judge_errors(found: Judgement, items: list[dict[str, Any]]) -> None:
    """Each error as a finding of its own; of very many the rest by rule."""
    for item in items[:SHOWN]:
        by_machine = " `celery2q convert` does it." if item.get("convertible") else ""
        found.error(
            f"lint[{item['rule']}]",
            f"{place(item)}: {item['message']}",
            EXPECTED,
            item["fix"] + by_machine,
        )
    rest = items[SHOWN:]
    if rest:
        counts: dict[str, int] = {}
        for item in rest:
            counts[item["rule"]] = counts.get(item["rule"], 0) + 1
        found.error(
            "lint",
            f"{len(rest)} more errors: "
            + ", ".join(f"{rule} {count}" for rule, count in sorted(counts.items())),
            EXPECTED,
            "`celery2q lint` in a checkout of the target lists them all; is it the right target?",
        )


def judge_warnings(found: Judgement, items: list[dict[str, Any]]) -> None:
    """The warnings, one finding for each rule and fix, with the places."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for item in items:
        groups.setdefault((item["rule"], item["fix"]), []).append(item)
    for (rule, fix), group in groups.items():
        lines = [f"{place(item)}: {item['message']}" for item in group[:PLACES]]
        if len(group) > PLACES:
            lines.append(f"and {len(group) - PLACES} more")
        found.warning(f"lint[{rule}]", "\n".join(lines), "", fix)


def judge_accepted(
    found: Judgement,
    items: list[dict[str, Any]],
    accept: list[dict[str, Any]],
    rules: list[str],
) -> list[dict[str, Any]]:
    """Take out what the operator accepts, and say so; returns what is left.

    Args:
        accept: [{rule, path, reason}], see preflight_lint_accept.
        rules: the rules that the linter has.
    """
    known = [*rules, UNLISTED]
    left = items
    for entry in accept:
        rule, path = entry["rule"], entry.get("path") or ""
        where = f" in {path}" if path else ""
        if rule not in known:
            near = difflib.get_close_matches(rule, known, n=1, cutoff=0.5)
            found.error(
                "lint_accept_unknown_rule",
                f"preflight_lint_accept names the rule {rule!r}, which celery2q does not have",
                f"one of: {', '.join(known)}",
                "Correct it" + (f"; is it {near[0]!r}?" if near else "."),
            )
            continue
        meant = [item for item in left if accepts(entry, item)]
        left = [item for item in left if not accepts(entry, item)]
        if not meant:
            found.warning(
                "lint_accept_unused",
                f"preflight_lint_accept accepts {rule}{where}, which the target does not have",
                "an entry for what is there",
                "Take it out, lest it hides what comes later.",
            )
            continue
        reason = f" ({entry['reason']})" if entry.get("reason") else ""
        found.note(
            "lint_accepted",
            f"accepted{reason}: {counted(len(meant), 'finding')} of {rule}{where}: "
            + listed([place(item) for item in meant]),
        )
    return left


def judge_lint(
    document: dict[str, Any],
    description: dict[str, Any],
    accept: list[dict[str, Any]],
    measured: dict[str, Any],
) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """The linter's report as findings of the preflight.

    Args:
        document: of `celery2q lint --format json`.
        description: of `celery2q describe`.
        accept: what the operator accepts: [{rule, path, reason}].
        measured: files, bytes, seconds, and `skipped` [{path, reason}], what did not reach it.

    Returns:
        [{id, level, found, expected, fix}], and the figures for the manifest: version, files,
        bytes, seconds, errors, warnings, notes.
    """
    found = Judgement()
    items = [demoted(item) for item in document["findings"] if item["level"] != "note"]
    mentions = len(document["findings"]) - len(items)
    left = judge_accepted(found, items, accept, list(description["rules"]))
    errors = [item for item in left if item["level"] == "error"]
    warnings = [item for item in left if item["level"] == "warning"]
    judge_errors(found, errors)
    judge_warnings(found, warnings)
    unread = [*measured["skipped"], *document["skipped"]]
    if unread:
        found.warning(
            "lint_unread",
            "\n".join(f"{item['path']}: {item['reason']}" for item in unread[:PLACES])
            + (f"\nand {len(unread) - PLACES} more" if len(unread) > PLACES else ""),
            "files of the release that can be read; these were not looked at",
            "Mend them, or take them out of the release.",
        )
    figures = {
        "version": description["version"],
        **{key: measured[key] for key in ("files", "bytes")},
        "seconds": round(measured["seconds"], 1),
        "errors": len(errors),
        "warnings": len(warnings),
        "notes": mentions,
    }
    found.note(
        "linted",
        f"celery2q {figures['version']} read {figures['files']} files "
        f"({human(figures['bytes'])}) of the target in {figures['seconds']} s; its findings: "
        f"{counted(len(errors), 'error')}, {counted(len(warnings), 'warning')}, "
        f"{counted(mentions, 'further line')} that name Celery",
    )
    return found.findings, figures
