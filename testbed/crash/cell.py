"""One cell: a run that dies, the run after it, and what must hold then."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Any

from testbed import hosts, playbooks, saved, standing
from testbed.air_risk import AirRisk
from testbed.console import TestbedError
from testbed.crash import facts, stage
from testbed.crash.points import OTHER, Cell
from testbed.crash.stage import Plan
from testbed.load import Load, ticks_of

TWIN = {"migrate": "rollback", "rollback": "migrate"}
#: What migrate.yml says where a rollback was interrupted.
REFUSED = "Run playbooks/rollback.yml to its end first"
#: A tick that is due while nobody fires, since a run died, runs when the next one has taken over.
LATE_SECONDS = 150.0
MARKED = "grep -lsz ^CUTOVER_DEPLOYMENT= /proc/[0-9]*/environ"


def run(cell: Cell, host_name: str, prefix: str, plan: Plan) -> dict[str, Any]:
    """Run one cell on a host.

    Args:
        cell: The cell.
        host_name: A host of its own.
        prefix: Of the saved states.
        plan: What an undisturbed run makes of them.

    Returns:
        {name, commit, date, seconds, runs: [{playbook, status}], at_work (processes that the dead
        run had left on the host), tasks (accepted, lost, doubled, early, ticks and those missed and
        doubled), broken: [in words]}
    """
    host = hosts.Host(host_name)
    began = time.monotonic()
    result: dict[str, Any] = {
        "name": cell.name,
        "commit": stage.commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M"),
        "runs": [],
        "broken": [],
    }
    try:
        saved.bring_back(host, stage.state(prefix, cell.state))
        _run(cell, host, plan, result)
    except (AssertionError, TestbedError) as error:
        result["broken"].append(f"{type(error).__name__}: {error}"[:3000])
    result["seconds"] = round(time.monotonic() - began, 1)
    return result


def _run(cell: Cell, host: hosts.Host, plan: Plan, result: dict[str, Any]) -> None:
    words = re.sub(r"[^a-z0-9-]", "-", cell.name)[-60:].strip("-")
    load = Load(host, f"{words}-{int(time.time())}")
    load.start(**stage.LOAD)
    first_tick = _tick_after(ticks_of(AirRisk(host.run)))
    result["text"] = stage.die(host.name, cell.playbook, cell.point, cell.after)[-1500:]
    result["at_work"] = len(host.run("sh", "-c", f"{MARKED} || :").split())
    last, texts = _go_on(cell, host, result)
    load.stop()
    if result["broken"]:
        result["texts"] = [text[-4000:] for text in texts]
    end = _expected(last, facts.take(host), result, plan)
    _judge_standing(host, end, plan, result)
    last_tick = time.time() // 60 * 60
    ticks = (first_tick, last_tick) if last_tick >= first_tick else None
    _judge_tasks(load.verdict(ticks=ticks, late=LATE_SECONDS), result)


def _tick_after(runs: list[float]) -> float:
    """The first tick that has not run yet: it may run late, and is no run too many then.

    A host that was saved some time ago fires what is overdue once, which stands for this minute.
    """
    return max((max(runs, default=0.0) // 60 + 1) * 60, time.time() // 60 * 60)


def _go_on(cell: Cell, host: hosts.Host, result: dict[str, Any]) -> tuple[str, list[str]]:
    """What an operator does after the death; the playbook that had the last word, and texts."""
    playbook = TWIN[cell.playbook] if cell.then == OTHER else cell.playbook
    status, text = _play(host, playbook, result)
    texts = [text]
    if status and playbook == "migrate" and cell.playbook == "rollback" and REFUSED in text:
        playbook = "rollback"
        status, text = _play(host, playbook, result)
        texts.append(text)
    if status:
        result["broken"].append(f"{playbook}.yml ended with {status}: {_reason(text)}")
    return playbook, texts


def _play(host: hosts.Host, playbook: str, result: dict[str, Any]) -> tuple[int, str]:
    began = time.monotonic()
    status, text = playbooks.run(stage.inventory(host.name), playbook)
    seconds = round(time.monotonic() - began, 1)
    result["runs"].append({"playbook": playbook, "status": status, "seconds": seconds})
    return status, text


def _reason(text: str) -> str:
    """The first error that a playbook printed."""
    found = re.search(r"^(\[ERROR\]|fatal:).*", text, re.MULTILINE)
    return text[found.start() :][:1500] if found else text[-1500:]


def _expected(last: str, found: dict[str, Any], result: dict[str, Any], plan: Plan) -> str:
    """Compare with the undisturbed end that the last playbook was to reach; returns its name."""
    end = "migrated" if last == "migrate" else "rolled_back"
    if last == "rollback" and not found["state"]:
        end = "abandoned"
    result["end"] = end
    result["broken"] += facts.differences(found, plan.ends[end])
    return end


def _judge_standing(host: hosts.Host, end: str, plan: Plan, result: dict[str, Any]) -> None:
    try:
        if end == "migrated":
            standing.assert_migrated(host, plan.before, stage.TARGET)
        else:
            standing.assert_as_before(host, plan.before)
    except AssertionError as error:
        result["broken"].append(f"not {end}: {error}"[:1500])


def _judge_tasks(verdict: dict[str, Any], result: dict[str, Any]) -> None:
    tasks, ticks = verdict["tasks"], verdict["ticks"] or {}
    result["tasks"] = {
        "accepted": tasks["accepted"],
        **{key: len(tasks[key]) for key in ("lost", "doubled", "early", "interrupted")},
        "ticks": ticks.get("ticks", 0),
        "ticks_missed": len(ticks.get("missed", [])),
        "ticks_doubled": len(ticks.get("doubled", [])),
        "longest_wait": (tasks["longest_wait"] or {}).get("seconds"),
    }
    if verdict["broken"]:
        result["broken"] += verdict["broken"]
        result["verdict"] = verdict
