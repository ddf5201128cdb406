"""The crash matrix as a table: for the screen, and for the documentation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from testbed.crash.points import START, Cell
from testbed.demo import text_table

Results = dict[str, dict[str, Any]]
COUNTS = ("accepted", "lost", "doubled", "early")


def outcome(result: dict[str, Any] | None) -> str:
    """One word for a cell."""
    if result is None:
        return "not run"
    return "BROKEN" if result["broken"] else "holds"


def text(cells: Sequence[Cell], results: Results) -> str:
    """The table for the screen, with what is broken below it."""
    header = ("run", "dies at the start of, or in", "then", "end", "tasks", "l/d/e", "s", "outcome")
    rows = [_row(cell, results.get(cell.name)) for cell in cells]
    lines = [text_table(header, rows), ""]
    for cell in cells:
        for reason in (results.get(cell.name) or {}).get("broken", []):
            lines.append(f"{cell.name}: {reason}")
    return "\n".join([*lines, summary(cells, results)])


def _row(cell: Cell, result: dict[str, Any] | None) -> tuple[str, ...]:
    tasks = (result or {}).get("tasks") or {}
    return (
        cell.playbook,
        _moment(cell),
        "same" if cell.then == "same" else "other",
        (result or {}).get("end", ""),
        str(tasks.get("accepted", "")),
        "/".join(str(tasks.get(key, "")) for key in COUNTS[1:]),
        f"{result['seconds']:.0f}" if result else "",
        outcome(result),
    )


def _moment(cell: Cell) -> str:
    title = cell.point.title if cell.kind == START else f"(in) {cell.point.title}"
    return f"{title} +{len(cell.covers)}" if cell.covers else title


def totals(cells: Sequence[Cell], results: Results) -> dict[str, int]:
    """Sums over the cells that were run."""
    ran = [results[cell.name] for cell in cells if cell.name in results]
    sums = {
        key: sum((item.get("tasks") or {}).get(key, 0) for item in ran)
        for key in (*COUNTS, "ticks", "ticks_missed", "ticks_doubled")
    }
    sums["cells"] = len(ran)
    sums["broken"] = sum(bool(item["broken"]) for item in ran)
    sums["points"] = sum(
        1 + len(cell.covers) for cell in cells if cell.name in results and cell.kind == START
    )
    return sums


def summary(cells: Sequence[Cell], results: Results) -> str:
    """One line with the sums."""
    found = totals(cells, results)
    return (
        f"{found['cells']} of {len(cells)} cells run, as many kills, {found['broken']} broken; "
        f"{found['accepted']} tasks accepted, {found['lost']} lost, {found['doubled']} doubled, "
        f"{found['early']} early; {found['ticks']} ticks, {found['ticks_missed']} missed, "
        f"{found['ticks_doubled']} doubled"
    )


def markdown(cells: Sequence[Cell], results: Results) -> str:
    """The table for the documentation, each point with the file and line of its task."""
    lines = [
        "| run | dies at | task | stands for also | then | ends | tasks | lost | doubled | early |"
        " outcome |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells:
        result = results.get(cell.name)
        tasks = (result or {}).get("tasks") or {}
        covered = ", ".join(point.title for point in cell.covers)
        counts = " | ".join(str(tasks.get(key, "")) for key in COUNTS)
        lines.append(
            f"| {cell.playbook} | {cell.kind} | {_escaped(cell.point.title)} | {_escaped(covered)} "
            f"| {cell.then} | {(result or {}).get('end', '')} | {counts} | {outcome(result)} |"
        )
    return "\n".join(lines)


def _escaped(words: str) -> str:
    return words.replace("|", "/")
