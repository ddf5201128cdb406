"""Runs the cells of the crash matrix, keeps their results, goes on where it stopped."""

from __future__ import annotations

import json
import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from testbed import engine, hosts, saved, venv
from testbed.console import TestbedError, say
from testbed.crash import cell as cells_of
from testbed.crash import points, stage, table
from testbed.crash.points import Cell

PREFIX = "cutover-matrix"
SAMPLE_PREFIX = "cutover-crash-sample"
#: What the sample draws with, and how many cells beside the borders of phases.
SEED = 20261125
DRAWN = 1


def run(
    part: str = "1/1",
    *,
    sampled: bool = False,
    again: bool = False,
    only: str = "",
    most: int = 0,
    beside: int = 1,
    markdown: Path | None = None,
    prefix: str = PREFIX,
) -> int:
    """Run the cells that have no result yet; print the table of all.

    Args:
        part: The shard, i/n.
        sampled: Only the borders of phases and some cells drawn with `SEED`.
        again: Run broken cells once more.
        only: Part of the name of the cells to run.
        most: How many to run now at most; 0 is all.
        beside: How many hosts to use side by side.
        markdown: File for the table in Markdown.
        prefix: Of the hosts, the saved states and the results.

    Returns:
        Exit code: 0 when every cell that was wanted was run and holds.
    """
    venv.ensure()
    engine.ensure()
    plan = stage.plan(prefix)
    drawn = points.sample(plan.cells, SEED, DRAWN) if sampled else plan.cells
    try:
        wanted = [item for item in points.shard(drawn, part) if only in item.name]
    except ValueError as error:
        raise TestbedError(str(error)) from error
    # What tells most comes first, for a run that is not given the time for all.
    ordered = sorted(wanted, key=lambda item: (not item.border, item.kind != points.DURING))
    stored = results(prefix, ordered)
    ordered = [
        item
        for item in ordered
        if item.name not in stored or (again and stored[item.name]["broken"])
    ]
    todo: queue.SimpleQueue[Cell] = queue.SimpleQueue()
    for item in ordered[: most or None]:
        todo.put(item)
    shard = part.partition("/")[0]
    with ThreadPoolExecutor(beside) as pool:
        names = [f"{prefix}-{shard}{letter}" for letter in ("", *"bcdefgh")[:beside]]
        list(pool.map(lambda name: _work(name, todo, prefix, plan), names))
    found = results(prefix, wanted)
    print(f"\n{table.text(wanted, found)}\n", flush=True)
    if markdown:
        markdown.write_text(table.markdown(wanted, found) + "\n", encoding="utf-8")
    missing = [item for item in wanted if item.name not in found]
    return 1 if missing or not wanted or any(item["broken"] for item in found.values()) else 0


def _work(host: str, todo: queue.SimpleQueue[Cell], prefix: str, plan: stage.Plan) -> None:
    """Run cells on one host until none is left."""
    while True:
        try:
            item = todo.get_nowait()
        except queue.Empty:
            return
        say(f"{host}: {item.name}, {todo.qsize()} left")
        outcome = cells_of.run(item, host, prefix, plan)
        _store(prefix, item.name, outcome)
        words = f"{table.outcome(outcome)} in {outcome['seconds']:.0f} s"
        say(f"{host}: {item.name} {words} {outcome['broken'] or ''}")


def run_sample() -> int:
    """Run the sample from nothing, on a host of its own that is removed afterwards.

    Returns:
        Exit code: 0 when every cell holds.
    """
    forget(SAMPLE_PREFIX)
    code = run(sampled=True, prefix=SAMPLE_PREFIX, beside=2)
    if code == 0:
        forget(SAMPLE_PREFIX)
    return code


def results(prefix: str, wanted: Sequence[Cell]) -> table.Results:
    """The stored results of some cells."""
    found = {}
    for item in wanted:
        path = _path(prefix, item.name)
        if path.is_file():
            found[item.name] = json.loads(path.read_text(encoding="utf-8"))
    return found


def forget(prefix: str) -> None:
    """Remove results, hosts and saved states."""
    for path in (stage.CACHE / prefix).glob("*.json"):
        path.unlink()
    (stage.CACHE / f"{prefix}.plan.json").unlink(missing_ok=True)
    for name in hosts.names():
        if name.startswith(f"{prefix}-"):
            hosts.remove(name)
    saved.remove(f"{prefix}-")


def _path(prefix: str, name: str) -> Path:
    return stage.CACHE / prefix / f"{name}.json"


def _store(prefix: str, name: str, outcome: dict) -> None:
    path = _path(prefix, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(outcome, indent=1), encoding="utf-8")
    beside.replace(path)
