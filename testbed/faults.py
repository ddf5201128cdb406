"""Faults that are done for real while users submit tasks, and what has to be so afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from testbed import hosts, playbooks, record, standing
from testbed.air_risk import AirRisk
from testbed.console import TestbedError, run
from testbed.deploy import STATE
from testbed.hosts import Host
from testbed.load import FOLDER, Load
from testbed.machine import ROOT

#: A few tasks a second for both queues, a quarter of them with a countdown.
USERS = {"rate": 2, "seconds": "0:0.2", "countdown_share": 0.25, "countdown": "1:15"}
#: Both of the worker's processes are busy, so that what comes after waits in Redis.
BUSY = {"count": 2, "rate": 20, "seconds": 60, "countdown_share": 0}
BACKLOG = {"count": 2000, "rate": 150, "seconds": 0, "countdown_share": 0.1, "countdown": "30:60"}
#: What an operator reads after a failure, by what it left.
NOTHING_CHANGED = "The service runs what it ran before; nothing that runs was changed."
TAKEN_BACK = "The service runs what it ran before; everything that was changed was taken back."
GO_ON = {
    NOTHING_CHANGED: "mend the cause, then run the same playbook again.",
    TAKEN_BACK: "mend the cause, then run playbooks/migrate.yml again.",
}
MOMENT_SECONDS = 420.0
#: A killed qcluster's tasks come back after Q_CLUSTER's `retry`, 420 s.
SETTLE_SECONDS = 480.0
#: Whether a moment has come, and what is done then.
Step = tuple[Callable[[], bool], Callable[[], object]]
#: Where the outcome of each fault is written down, one JSON document a line, the latest last.
OUTCOMES = ROOT / ".cache/faults.jsonl"
COUNTS = ("accepted", "lost", "doubled", "early", "interrupted")


class Scene:
    """One fault: users before, during and after it.

    Args:
        host: The host; it stands as before.
        inventory: The inventory's folder.
        before: How it stood at first: see `testbed.record.take`.
        name: Of the fault.
    """

    def __init__(self, host: Host, inventory: Path, before: dict[str, Any], name: str) -> None:
        """Name it; nothing is sent yet."""
        self.host, self.inventory, self.before, self.name = host, inventory, before, name
        self.app = AirRisk(host.run)
        self._loads: list[Load] = []

    def open(self) -> None:
        """Let users submit from now on."""
        self.rush(**USERS)

    def rush(self, **options: Any) -> Load:
        """Let further users submit; options as those of producer.py."""
        words = re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")
        load = Load(self.host, f"{words}-{len(self._loads)}-{time.time():.0f}")
        self._loads.append(load)
        load.start(**options)
        return load

    def leave(self) -> None:
        """Send no more, whatever happened."""
        for load in self._loads:
            with contextlib.suppress(TestbedError):
                if load.running():
                    load.stop()

    def play(self, playbook: str, **variables: Any) -> tuple[int, str]:
        """Run a playbook to its end; its exit status and what it printed."""
        return playbooks.run(self.inventory, playbook, **variables)

    def disturbed(self, playbook: str, *steps: Step, **variables: Any) -> tuple[int, str]:
        """Run a playbook to its end, and do something at each of some moments.

        Args:
            playbook: Its name, without `.yml`.
            *steps: Moments, in their order, each with what is done then.
            **variables: Given with --extra-vars.

        Raises:
            AssertionError: The playbook ended before the last moment.
        """
        process = playbooks.start(self.inventory, playbook, **variables)
        with ThreadPoolExecutor(1) as pool:
            printed = pool.submit(process.communicate, timeout=playbooks.RUN_SECONDS)
            for when, do in steps:
                deadline = time.monotonic() + MOMENT_SECONDS
                while not when():
                    assert process.poll() is None, printed.result()[0]
                    assert time.monotonic() < deadline, "the moment did not come"
                    time.sleep(0.1)
                do()
            text, _ = printed.result()
        return process.returncode, text

    def pile_up(self) -> None:
        """Fill the queues while the workers are busy: see `BUSY`."""
        for options in (BUSY, BACKLOG):
            self.rush(**options)

    def moves(self) -> bool:
        """Whether the current run has moved a message to Django-Q by now."""
        try:
            run_id = self.app.manifest()["run_id"]
            rows = self.app.sql(f"SELECT 1 FROM cutover_moved WHERE run_id = '{run_id}' LIMIT 1")
        except TestbedError:
            return False
        return bool(rows)

    def gives_back(self) -> bool:
        """Whether the current run has given a message back to Celery and has not yet done so."""
        key = f"cutover:sent:{self.app.manifest()['run_id']}"
        exists = ("exec", "-T", "redis", "redis-cli", "exists", key)
        try:
            return self.app.compose(*exists).strip() == "1"
        except TestbedError:
            return False

    def kill(self, service: str) -> None:
        """Kill a service's container by force; Docker takes that for a wish and lets it be."""
        self.host.run("docker", "kill", self.app.services()[service].id)

    def restart_docker(self, by_force: bool = False) -> None:
        """Restart the Docker daemon, in order or after SIGKILL."""
        self.host.run("host-dockerd", "kill" if by_force else "stop")
        self.host.run("host-dockerd", "start")

    def restart_host(self, by_force: bool = False) -> None:
        """Restart the host, in order or as after a power cut; other users come when it is up."""
        if by_force:
            run(["docker", "kill", self.host.name])
            self._hang_up()
            run(["docker", "start", self.host.name])
        else:
            run(["docker", "restart", "--time", "30", self.host.name], timeout=120)
        # What a pid file of before says is another process by now.
        self.host.run("sh", "-c", f"rm -f {FOLDER}/*.pid")
        hosts.up(self.host.name)
        self.rush(**USERS)

    def _hang_up(self) -> None:
        """End the clients of what ran in the host: Docker does not tell each that it is gone."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                program, *words = path.read_bytes().decode(errors="replace").split("\0")
                ours = words[:1] == ["exec"] and self.host.name in words
                if ours and Path(program).name == "docker":
                    os.kill(int(path.parent.name), signal.SIGKILL)

    def in_phase(self, name: str) -> Callable[[], bool]:
        """Whether the current run is in a phase; false while there is no run."""
        return playbooks.in_phase(self.app, name)

    @contextlib.contextmanager
    def trap(self, when: str, do: str) -> Iterator[None]:
        """Have something done inside the host as soon as a condition holds there.

        Args:
            when: Shell that succeeds when the moment has come; asked fifty times a second.
            do: Shell that is run then, once.

        Raises:
            AssertionError: The moment did not come.
        """
        fired, pid = "/run/trap.fired", "/run/trap.pid"
        self.host.run("rm", "-f", fired)
        script = f"echo $$ > {pid}; until {{ {when}; }} 2>/dev/null; do sleep 0.02; done; {do}"
        command = ["sh", "-eu", "-c", f"{script}; touch {fired}"]
        run(["docker", "exec", "--detach", self.host.name, *command])
        try:
            yield
        finally:
            ended = self.host.works("test", "-e", fired)
            if not ended:
                self.host.run("sh", "-c", f'kill "$(cat {pid})"')
        assert ended, f"the moment did not come: {when}"

    def assert_told(self, text: str, step: str, reasons: list[str], state: str) -> None:
        """Assert that a failure names step, reason, state and the command to go on.

        Args:
            text: What the playbook printed.
            step: Words of the step that failed.
            reasons: Words of the reason.
            state: One of `GO_ON`.
        """
        tail = text[text.rindex("Failed step:") :]
        assert step in tail.splitlines()[0], tail
        for reason in reasons:
            assert reason in tail, (reason, tail)
        for line in (f"State: {state}", "manifest.json", f"Go on: {GO_ON[state]}"):
            assert line in tail, (line, tail)

    def assert_as_before(self, *, interrupted_ok: bool = False) -> None:
        """Assert that the service is what it was and that each accepted task ran once."""
        standing.assert_as_before(self.host, self.before)
        self._settle("as before", interrupted_ok)

    def assert_migrated(self, ref: str = "django-q", *, interrupted_ok: bool = False) -> None:
        """Assert that the service is what it was to be and that each accepted task ran once."""
        standing.assert_migrated(self.host, self.before, ref)
        self._settle("migrated", interrupted_ok)

    def assert_untouched(self) -> None:
        """Assert that not even a file, an image or a table is other than it was."""
        found = record.digest(self.host.run, self.app)
        for part in (found, self.before["digest"]):
            # What was fetched to be looked at; no ref leads to it.
            for name in [name for name in part["files"] if "/.git/objects/" in name]:
                del part["files"][name]
            part["modes"] = [line for line in part["modes"] if "/.git/objects/" not in line]
        for part, was in self.before["digest"].items():
            assert found[part] == was, (part, _difference(was, found[part]))
        assert self.host.run("ls", "-A", f"{STATE}/runs") == ""

    def _settle(self, stands: str, interrupted_ok: bool) -> None:
        """Send no more and judge; the outcome is written down before it is judged."""
        for load in self._loads:
            if load.running():
                load.stop()
        first, *others = self._loads
        verdict = first.verdict(*others, wait=SETTLE_SECONDS, interrupted_ok=interrupted_ok)
        tasks = verdict["tasks"]
        outcome = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "fault": self.name,
            "stands": stands,
            "accepted": tasks["accepted"],
            **{key: len(tasks[key]) for key in COUNTS[1:]},
        }
        OUTCOMES.parent.mkdir(exist_ok=True)
        with OUTCOMES.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(outcome) + "\n")
        print(f"\n{outcome}")
        assert verdict["broken"] == [], verdict


def markdown(text: str) -> str:
    """The latest outcome of each fault as a table, and the sums.

    Args:
        text: Of the file `OUTCOMES`.
    """
    latest = {found["fault"]: found for found in map(json.loads, text.splitlines())}
    lines = [
        f"| {' | '.join(('fault', 'stands then', *COUNTS, 'date'))} |",
        "|---|---|" + "---:|" * len(COUNTS) + "---|",
    ]
    for found in latest.values():
        counts = " | ".join(str(found[key]) for key in COUNTS)
        title = found["fault"].removeprefix("test_").replace("_", " ")
        lines.append(f"| {title} | {found['stands']} | {counts} | {found['date']} |")
    sums = (f"{sum(found[key] for found in latest.values())} {key}" for key in COUNTS)
    return "\n".join([*lines, "", f"{len(latest)} faults: {', '.join(sums)}."])


def _difference(was: Any, now: Any) -> list[Any]:
    """The entries of two parts of a digest that are in one of them alone."""
    if isinstance(was, dict):
        was, now = list(was.items()), list(now.items())
    return [item for item in (*was, *now) if (item in was) != (item in now)]
