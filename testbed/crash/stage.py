"""Hosts and saved states for the crash matrix, and what an undisturbed run makes of them.

Three states are saved once: ``deployed`` on Celery; ``switching``, where migrate.yml has done all
that changes nothing which runs and died with its first change; ``migrated``. The plan has the tasks
of both playbooks and how the deployment stands at their undisturbed ends.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from testbed import deploy, hosts, playbooks, record, saved
from testbed.air_risk import AirRisk
from testbed.console import TestbedError, only_one, run, say
from testbed.crash import facts, points
from testbed.crash.points import Cell, Point
from testbed.load import ADD_TICK, Load
from testbed.machine import ROOT

CACHE = ROOT / ".cache/crash_matrix"
CALLBACKS = ROOT / "testbed/callbacks"
TARGET = "django-q"
#: What a run is made of: another content makes the states and the plan anew.
INPUTS = ("playbooks", "roles", "plugins", "group_vars", "examples")
FIRST_CHANGE = {"migrate": "Phase | Begin schedules", "rollback": "Phase | Begin rollback"}
LOAD = {
    "rate": 3,
    "seconds": "0:0.5",
    "countdown_share": 0.2,
    "countdown": "1:8",
    "queues": "gis,default",
    "for": 900,
}


@dataclass(frozen=True)
class Plan:
    """What there is to run and to expect.

    Attributes:
        commit: The checkout's commit when it was made.
        inputs: Hash of `INPUTS`.
        cells: All cells, in order.
        before: How it stood at first: see `testbed.record.take`.
        ends: How it stands after an undisturbed run: ``migrated``, ``rolled_back`` and, of one
            that changed nothing, ``abandoned`` to what `facts.take` found.
    """

    commit: str
    inputs: str
    cells: list[Cell]
    before: dict[str, Any]
    ends: dict[str, dict[str, Any]]


def commit() -> str:
    """The checkout's commit, marked where files differ from it."""
    git = ["git", "-C", str(ROOT)]
    head = run([*git, "rev-parse", "--short=10", "HEAD"]).stdout.strip()
    changed = run([*git, "status", "--porcelain", "--", *INPUTS]).stdout.strip()
    return f"{head}+" if changed else head


def inputs() -> str:
    """Hash of what a run is made of, tracked or not."""
    listed = run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "--", *INPUTS]
    ).stdout.splitlines()
    digest = hashlib.sha256()
    for name in sorted(listed):
        path = ROOT / name
        if path.is_file():
            digest.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def inventory(host: str) -> Path:
    """An inventory with one host; made where it is not."""
    folder = CACHE / "inventories" / host
    variables = folder / "group_vars/all"
    variables.mkdir(parents=True, exist_ok=True)
    link = variables / "00_shared.yml"
    if not link.is_symlink():
        link.symlink_to(ROOT / "group_vars/all.yml")
    (variables / "10_crash_matrix.yml").write_text(
        f"---\nrelease_target_ref: {TARGET}\n", encoding="utf-8"
    )
    (folder / "hosts.yml").write_text(
        "---\ncutover_hosts:\n  hosts:\n"
        f"    {host}:\n"
        "      ansible_connection: community.docker.docker\n"
        f"      ansible_host: {host}\n"
        "      ansible_python_interpreter: /usr/bin/python3\n",
        encoding="utf-8",
    )
    return folder


def crash_env(listing: Path | None = None, cell: Point | None = None, after: float = 0) -> dict:
    """Environment variables that load the callback, to list tasks or to die at one."""
    env = {
        "ANSIBLE_CALLBACK_PLUGINS": str(CALLBACKS),
        "ANSIBLE_CALLBACKS_ENABLED": "crash_point",
    }
    if listing:
        env["CRASH_POINT_LISTING"] = str(listing)
    if cell:
        env["CRASH_POINT_PLAY"], env["CRASH_POINT_TASK"] = str(cell.play), str(cell.task)
        env["CRASH_POINT_AFTER"] = str(after)
    return env


def state(prefix: str, name: str) -> str:
    """A saved state's full name."""
    return f"{prefix}-{name}"


def plan(prefix: str) -> Plan:
    """The plan, made anew where a playbook, a role or the application changed since.

    Args:
        prefix: Of the names of hosts and saved states.
    """
    path = CACHE / f"{prefix}.plan.json"
    with only_one(prefix):
        if path.is_file():
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["inputs"] == inputs() and saved.exists(state(prefix, "migrated")):
                return Plan(**{**stored, "cells": points.from_dicts(stored["cells"])})
        made = _make(prefix)
        document = {**made.__dict__, "cells": points.as_dicts(made.cells)}
        path.write_text(json.dumps(document, indent=1), encoding="utf-8")
    return made


def _make(prefix: str) -> Plan:
    """Run both playbooks undisturbed under load; save the states on the way."""
    CACHE.mkdir(parents=True, exist_ok=True)
    saved.remove(f"{prefix}-")
    name = f"{prefix}-1"
    host = deploy.deploy(name, "celery", fresh=True)
    _add_tick(AirRisk(host.run))
    before = record.take(host.run)
    saved.save(host, state(prefix, "deployed"))
    # A run that changed nothing leaves the folder of runs, and nothing in it.
    ends, listed = {"abandoned": {**facts.take(host), "files": ["runs"]}}, {}
    for playbook, end in (("migrate", "migrated"), ("rollback", "rolled_back")):
        say(f"an undisturbed {playbook}.yml")
        listing = CACHE / f"{prefix}.{playbook}.jsonl"
        listing.unlink(missing_ok=True)
        _undisturbed(host, playbook, listing)
        ends[end] = facts.take(host)
        listed[playbook] = points.read_listing(listing)
        if playbook == "migrate":
            saved.save(host, state(prefix, end))
    first = {name: _first_change(listed[name], text) for name, text in FIRST_CHANGE.items()}
    say("migrate.yml up to its first change, and from there")
    saved.bring_back(host, state(prefix, "deployed"))
    die(name, "migrate", listed["migrate"][first["migrate"] + 1])
    saved.save(host, state(prefix, "switching"))
    found = points.cells(
        "migrate", listed["migrate"], first["migrate"], ("deployed", "switching")
    ) + points.cells("rollback", listed["rollback"], first["rollback"], ("migrated", "migrated"))
    return Plan(commit(), inputs(), found, before, ends)


def _add_tick(app: AirRisk) -> None:
    """Give beat a schedule that fires each minute."""
    app.compose("exec", "-T", "web", "python", "manage.py", "shell", "-c", ADD_TICK)


def _first_change(found: list[Point], text: str) -> int:
    """Index of the task that begins the switch.

    Raises:
        TestbedError: There is none.
    """
    for index, point in enumerate(found):
        if text in point.name:
            return index
    raise TestbedError(f"no task {text!r} in the listing")


def _undisturbed(host: hosts.Host, playbook: str, listing: Path) -> None:
    """Run a playbook under load with the callback; nothing may be broken.

    Raises:
        TestbedError: It failed, or something was lost, doubled or early.
    """
    load = Load(host, f"undisturbed-{playbook}")
    load.start(**LOAD)
    _succeed(host.name, playbook, crash_env(listing))
    load.stop()
    verdict = load.verdict()
    if verdict["broken"]:
        raise TestbedError(f"an undisturbed {playbook}.yml broke something: {verdict['broken']}")


def _succeed(host: str, playbook: str, env: dict[str, str] | None = None) -> None:
    status, text = playbooks.run(inventory(host), playbook, env)
    if status:
        raise TestbedError(f"{playbook}.yml on {host} ended with {status}:\n{text[-3000:]}")


def die(host: str, playbook: str, point: Point, after: float = 0) -> str:
    """Run a playbook that dies at a task; returns what it printed.

    Raises:
        TestbedError: It came to an end of its own.
    """
    status, text = playbooks.run(inventory(host), playbook, crash_env(None, point, after))
    if status != -9:
        raise TestbedError(
            f"{playbook}.yml on {host} did not die at {point.where} ({point.title}) but ended with "
            f"{status}:\n{text[-3000:]}"
        )
    return text
