"""The demo: Celery to Django-Q and back on a disposable host, with what changed side by side."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from testbed import deploy, engine, hosts, venv
from testbed.air_risk import AirRisk
from testbed.console import TestbedError, run, say, wait_until
from testbed.machine import ROOT

HOST = "cutover-demo"
INVENTORY = "inventories/demo"
PROBER = Path(__file__).resolve().parent / "prober.py"
RESULT, STOP = "/run/prober.json", "/run/prober.stop"


@dataclass(frozen=True)
class Snapshot:
    """What runs at one moment.

    Attributes:
        services: Services with a running container.
        memory: MiB by service.
        systems: Task systems that run.
        beat: Beat's rows: name to enabled.
        schedules: Django-Q's schedules: name to repeats.
        ref: What git says is checked out.
    """

    services: list[str]
    memory: dict[str, float]
    systems: list[str]
    beat: dict[str, bool]
    schedules: dict[str, int]
    ref: str


def forward() -> None:
    """Deploy on Celery in a new host, migrate, show both states.

    Raises:
        TestbedError: A step failed.
    """
    venv.ensure()
    engine.ensure()
    if hosts.container_state(HOST):
        say(f"there is a {HOST} from an earlier demo: starting anew")
    host = deploy.deploy(HOST, "celery", fresh=True)
    app = AirRisk(host.run)
    _show_it_works(app, "celery")
    _switch(host, app, "migrate", "django_q")
    _say_next(
        "docker exec -it cutover-demo docker compose --project-directory /srv/air_risk ps",
        """docker exec cutover-demo curl -s -X POST 127.0.0.1:8000/tasks/ -d """
        """'{"uid": "mine", "task": "air_quality.tasks.test_task", "seconds": 1}'""",
        "docker exec cutover-demo curl -s '127.0.0.1:8000/ledger/?uid=mine'",
        f".venv/bin/ansible-playbook -i {INVENTORY} playbooks/monitor.yml",
        f".venv/bin/ansible-playbook -i {INVENTORY} playbooks/migrate.yml   # again: changed=0",
        "make demo-rollback",
        "make demo-clean",
    )


def back() -> None:
    """Take the demo's host back to Celery.

    Raises:
        TestbedError: There is no demo that was migrated, or a step failed.
    """
    venv.ensure()
    engine.ensure()
    if not hosts.container_state(HOST):
        raise TestbedError(f"there is no host {HOST}: `make demo` makes it")
    host = hosts.up(HOST)
    if not host.works("test", "-e", f"{deploy.STATE}/current/manifest.json"):
        raise TestbedError(f"{HOST} has not been migrated: `make demo` does that")
    app = AirRisk(host.run)
    _switch(host, app, "rollback", "celery")
    _say_next(
        "docker exec -it cutover-demo docker compose --project-directory /srv/air_risk ps",
        f".venv/bin/ansible-playbook -i {INVENTORY} playbooks/migrate.yml",
        "make demo-clean",
    )


def clean() -> None:
    """Remove the demo's host."""
    engine.ensure()
    hosts.remove(HOST)


def _switch(host: hosts.Host, app: AirRisk, playbook: str, engine_after: str) -> None:
    """Run a playbook, with the prober beside it, and show before and after."""
    before, phases_before = _look(app, host), _phases(host, app)
    with _probed(host) as figures:
        _play(playbook)
    _show_it_works(app, engine_after)
    # The way back goes on in the manifest of the way there.
    phases = [phase for phase in _phases(host, app) if phase not in phases_before]
    _print_table(before, _look(app, host), phases, figures)


def _phases(host: hosts.Host, app: AirRisk) -> list[dict[str, Any]]:
    """The manifest's phases that have ended: name, start, end; none before the first run."""
    if not host.works("test", "-e", f"{deploy.STATE}/current/manifest.json"):
        return []
    return [phase for phase in app.manifest()["phases"] if phase["end"]]


def _play(playbook: str) -> None:
    command = [str(venv.VENV / "bin/ansible-playbook"), "-i", INVENTORY]
    command += [f"playbooks/{playbook}.yml"]
    print(f"\n$ {' '.join(['ansible-playbook', *command[1:]])}", flush=True)
    env = {**os.environ, "PATH": venv.path_with_venv()}
    code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
    if code:
        raise TestbedError(f"playbooks/{playbook}.yml ended with exit code {code}")


@contextlib.contextmanager
def _probed(host: hosts.Host) -> Iterator[dict[str, Any]]:
    """Watch web and workers from inside the host; fills the dict when the block has ended."""
    figures: dict[str, Any] = {}
    host.run("touch", STOP)
    host.run("rm", "-f", RESULT)
    run(["docker", "cp", "--quiet", str(PROBER), f"{host.name}:/run/prober.py"])
    host.run("rm", "-f", STOP)
    run(["docker", "exec", "--detach", host.name, "python3", "/run/prober.py", RESULT, STOP])
    try:
        yield figures
    finally:
        host.run("touch", STOP)
        wait_until("the prober", lambda: host.works("test", "-e", RESULT), timeout=15)
        figures.update(json.loads(host.run("cat", RESULT)))


def _show_it_works(app: AirRisk, engine_wanted: str) -> None:
    """Submit tasks over HTTP and see in the ledger who executed them.

    Raises:
        TestbedError: Not exactly once, or by another engine.
    """
    say(f"does it work on {engine_wanted}? POST /tasks/, then a look at the ledger")
    try:
        uids = [app.submit(seconds=0.5), app.submit(countdown=2)]
        for uid in uids:
            rows = app.wait_for(uid)
            for row in rows:
                took = _seconds_between(row["started_at"], row["finished_at"])
                say(f"  {row['task']} by {row['engine']}, {took:.2f} s")
            if [row["engine"] for row in rows] != [engine_wanted]:
                raise TestbedError(f"expected one execution by {engine_wanted}, found: {rows}")
    except AssertionError as error:
        raise TestbedError(str(error)) from error
    say("  each executed once")


def _look(app: AirRisk, host: hosts.Host) -> Snapshot:
    services = sorted(c.service for c in app.containers() if c.state == "running")
    systems = {"Celery": "celery_worker", "Celery beat": "celery_beat", "Django-Q": "qcluster"}
    describe = ("git", "-C", deploy.PROJECT, "describe", "--tags", "--always")
    return Snapshot(
        services=services,
        memory=app.memory(),
        systems=[name for name, service in systems.items() if service in services],
        beat=app.periodic_tasks(),
        schedules=app.schedules(),
        ref=host.run(*describe),
    )


def _print_table(
    before: Snapshot, after: Snapshot, phases: list[dict[str, Any]], figures: dict[str, Any]
) -> None:
    rows: list[tuple[str, str, str]] = [
        ("release", before.ref, after.ref),
        ("task systems", ", ".join(before.systems), ", ".join(after.systems)),
        ("containers", str(len(before.services)), str(len(after.services))),
    ]
    for service in sorted({*before.services, *after.services}):
        used = (_amount(snapshot.memory.get(service)) for snapshot in (before, after))
        rows.append((f"  {service}", *used))
    total = (_amount(sum(snapshot.memory.values())) for snapshot in (before, after))
    rows += [
        ("memory", *total),
        ("beat's schedules", _of_beat(before), _of_beat(after)),
        ("Django-Q's schedules", _of_django_q(before), _of_django_q(after)),
    ]
    print(f"\n{text_table(('', 'before', 'after'), rows)}\n")

    times = [
        (f"  {phase['name']}", f"{_seconds_between(phase['start'], phase['end']):.1f} s")
        for phase in phases
    ]
    gaps = [
        (f"seconds without {name}", f"{figures[key]['total']:.2f} s")
        for name, key in (("web", "web"), ("a worker", "worker"))
    ]
    print(f"{text_table(('phase', 'time'), [*times, *gaps])}\n", flush=True)


def text_table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table in plain text, as wide as its cells."""
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]

    def line(cells: tuple[str, ...]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))

    rule = "  ".join("-" * width for width in widths)
    return "\n".join(text.rstrip() for text in [line(header), rule, *map(line, rows)])


def _amount(mebibytes: float | None) -> str:
    return "-" if mebibytes is None else f"{mebibytes:.0f} MiB"


def _of_beat(snapshot: Snapshot) -> str:
    if "Celery beat" not in snapshot.systems:
        return "no beat"
    enabled = sum(snapshot.beat.values())
    return f"{enabled} enabled, {len(snapshot.beat) - enabled} disabled"


def _of_django_q(snapshot: Snapshot) -> str:
    parked = sum(repeats == 0 for repeats in snapshot.schedules.values())
    return f"{len(snapshot.schedules) - parked} live, {parked} parked"


def _seconds_between(start: str, end: str) -> float:
    first, last = (datetime.fromisoformat(text) for text in (start, end))
    return (last - first).total_seconds()


def _say_next(*commands: str) -> None:
    print("What to try next:\n")
    for command in commands:
        print(f"  {command}")
    print(flush=True)
