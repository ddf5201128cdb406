"""The moments at which a playbook can die, and which of them leave the host the same.

A listing is what the callback `crash_point` writes in an undisturbed run. A task that only decides
on the control node, only reads or was skipped leaves the host as it found it: to die when the next
one starts is the same as to die when this one starts, and one cell stands for both.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from testbed.machine import ROOT

SCRIPTS = ROOT / "plugins/module_utils/app"
#: Actions that do nothing on the host: they run on the control node, or only read.
IDLE_ACTIONS = frozenset(
    {
        *("include_role", "include_tasks", "import_role", "import_tasks", "meta"),
        *("set_fact", "debug", "assert", "fail", "validate_argument_spec", "find"),
        *("compose_info", "container_memory", "postgres_facts", "preflight_host"),
        *("preflight_arguments", "preflight_application"),
    }
)
#: Modules that work for a while: they are also ended in the middle.
FAT_ACTIONS = frozenset(
    {
        *("app_script", "compose_install", "container_drain", "docker_compose_v2"),
        *("release_checkout", "release_images", "release_switch"),
    }
)
START, DURING = "start", "during"
SAME, OTHER = "same", "other"


@dataclass(frozen=True)
class Point:
    """The start of one task.

    Attributes:
        play: Number of the play, from 1.
        task: Number of the task in it, from 1.
        name: Its name as Ansible prints it.
        where: File and line.
        action: Short name of its action.
        script: With `app_script`, the script.
        idle: It left the host as it found it.
        seconds: How long it took in the undisturbed run.
    """

    play: int
    task: int
    name: str
    where: str
    action: str
    script: str
    idle: bool
    seconds: float

    @property
    def title(self) -> str:
        """The name without the collection's, short enough for a table."""
        return re.sub(r"^cutover\.django_q\.", "", self.name)[:90]


@dataclass(frozen=True)
class Cell:
    """One run that dies, and what comes after it.

    Attributes:
        name: Unlike any other's, and the same after a change elsewhere.
        playbook: ``migrate`` or ``rollback``.
        state: The saved state of the host from which it starts.
        point: The task at which it dies.
        covers: Tasks before it whose start leaves the host the same.
        kind: ``start``, or ``during``: in the middle of the task.
        then: ``same`` playbook again, or the ``other`` one.
        border: A phase begins here.
    """

    name: str
    playbook: str
    state: str
    point: Point
    covers: tuple[Point, ...]
    kind: str
    then: str
    border: bool

    @property
    def after(self) -> float:
        """Seconds after the task's start at which everything ends."""
        return round(max(self.point.seconds * 0.6, 0.8), 1) if self.kind == DURING else 0.0


@dataclass
class _Seen:
    line: dict[str, Any]
    outcome: str = "none"
    changed: bool = False
    ended: float = field(default=0.0)


def points(lines: Iterable[str]) -> list[Point]:
    """The tasks of a listing in their order.

    Args:
        lines: JSON: at the start {play, task, name, path, line, action, script, at}, at the end
            {play, task, outcome, changed, at}.
    """
    seen: dict[tuple[int, int], _Seen] = {}
    for text in lines:
        line = json.loads(text)
        key = (line["play"], line["task"])
        if "name" in line:
            seen[key] = _Seen(line, ended=line["at"])
        else:
            entry = seen[key]
            entry.outcome, entry.ended = line["outcome"], line["at"]
            entry.changed = entry.changed or line["changed"]
    return [_point(entry) for _, entry in sorted(seen.items())]


def _point(seen: _Seen) -> Point:
    line = seen.line
    action = line["action"].rpartition(".")[2]
    path = re.sub(r"^.*/(?=(roles|playbooks)/)", "", line["path"])
    idle = seen.outcome == "skipped" or action in IDLE_ACTIONS or _only_reads(line, action)
    # What did nothing says so: written to the manifest was what stood there already.
    idle = idle or (action in ("run_manifest", "file", "copy") and not seen.changed)
    seconds = round(seen.ended - line["at"], 2)
    where = f"{path}:{line['line']}"
    return Point(
        line["play"], line["task"], line["name"], where, action, line["script"], idle, seconds
    )


def _only_reads(line: dict[str, Any], action: str) -> bool:
    """Whether it is a script that declares itself as only reading."""
    if action != "app_script" or not line["script"]:
        return False
    text = (SCRIPTS / f"{line['script']}.py").read_text(encoding="utf-8")
    return bool(re.search(r"^READS_ONLY = True$", text, re.MULTILINE))


def groups(found: Sequence[Point]) -> list[tuple[Point, ...]]:
    """Points that leave the host the same, each group ended by the one that stands for it.

    That is the task that is about to do something; of what comes after the last such task, the
    last one.
    """
    grouped: list[tuple[Point, ...]] = []
    waiting: list[Point] = []
    for point in found:
        waiting.append(point)
        if not point.idle:
            grouped.append(tuple(waiting))
            waiting = []
    if waiting:
        grouped.append(tuple(waiting))
    return grouped


def cells(
    playbook: str, found: Sequence[Point], first_change: int, states: tuple[str, str]
) -> list[Cell]:
    """The cells of a playbook.

    Args:
        playbook: ``migrate`` or ``rollback``.
        found: Of `points`.
        first_change: Index in `found` of the first task that changes something that runs, or that
            says so in the manifest. The tasks up to it are one cell.
        states: The saved states from which the first cell and the others start.

    Returns:
        Those at starts of tasks first, then those in the middle of tasks.
    """
    before, rest = found[: first_change + 1], found[first_change + 1 :]
    result = [
        _cell(playbook, states[0], tuple(before), START, then, True) for then in (SAME, OTHER)
    ]
    names: dict[str, int] = {}
    border = False
    for number, group in enumerate(groups(rest)):
        border = any(point.where.startswith("roles/run_record/tasks/phase") for point in group)
        border = border or any("Close | Write" in point.name for point in group)
        then = (SAME, OTHER)[number % 2]
        result.append(_cell(playbook, states[1], group, START, then, border, names))
    fat = [point for point in rest if point.action in FAT_ACTIONS and point.seconds >= 0.9]
    fat = [point for point in fat if not point.idle]
    for number, point in enumerate(fat):
        then = (OTHER, SAME)[number % 2]
        result.append(_cell(playbook, states[1], (point,), DURING, then, False, names))
    return result


def _cell(
    playbook: str,
    state: str,
    group: tuple[Point, ...],
    kind: str,
    then: str,
    border: bool,
    names: dict[str, int] | None = None,
) -> Cell:
    *covers, point = group
    words = f"{playbook} {kind} {point.title} {point.script}"
    base = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    if names is not None:
        names[base] = names.get(base, 0) + 1
        base += f"-{names[base]}" if names[base] > 1 else ""
    return Cell(f"{base}--{then}", playbook, state, point, tuple(covers), kind, then, border)


def sample(all_cells: Sequence[Cell], seed: int, more: int) -> list[Cell]:
    """The cells at phase borders and some others, drawn with a seed.

    Args:
        all_cells: Of `cells`, of all playbooks.
        seed: The same one draws the same.
        more: How many beside the borders.
    """
    # What comes before the first change is one cell, run both ways in the whole matrix.
    first_of = {(cell.playbook, cell.point): cell for cell in reversed(all_cells) if cell.border}
    borders = {cell.name for cell in first_of.values()}
    others = [cell for cell in all_cells if not cell.border]
    drawn = {cell.name for cell in random.Random(seed).sample(others, min(more, len(others)))}
    return [cell for cell in all_cells if cell.name in borders | drawn]


def shard(all_cells: Sequence[Cell], part: str) -> list[Cell]:
    """Every n-th cell: ``2/3`` is the second of three shards.

    Raises:
        ValueError: No such shard.
    """
    index, _, count = part.partition("/")
    if not (index.isdigit() and count.isdigit() and 1 <= int(index) <= int(count)):
        raise ValueError(f"--shard {part}: expected i/n with 1 <= i <= n, such as 1/2")
    return list(all_cells[int(index) - 1 :: int(count)])


def as_dicts(all_cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """Cells as JSON has them."""
    return [asdict(cell) for cell in all_cells]


def from_dicts(stored: Iterable[dict[str, Any]]) -> list[Cell]:
    """Cells as they were stored."""
    return [
        Cell(
            **{
                **item,
                "point": Point(**item["point"]),
                "covers": tuple(Point(**point) for point in item["covers"]),
            }
        )
        for item in stored
    ]


def read_listing(path: Path) -> list[Point]:
    """The tasks of a listing's file."""
    return points(path.read_text(encoding="utf-8").splitlines())
