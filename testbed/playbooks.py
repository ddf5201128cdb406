"""Playbooks that a test runs itself, to their end or until it ends them by force."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from testbed import venv
from testbed.air_risk import AirRisk
from testbed.console import TestbedError, wait_until
from testbed.machine import ROOT

PHASE_SECONDS = 420
RUN_SECONDS = 900


def start(
    inventory: Path, playbook: str, env: Mapping[str, str] | None = None, **variables: Any
) -> subprocess.Popen[str]:
    """Start a playbook; its output is piped.

    Args:
        inventory: The inventory's folder.
        playbook: Its name, without `.yml`.
        env: Environment variables to add.
        **variables: Given with --extra-vars.
    """
    return subprocess.Popen(
        [
            str(venv.VENV / "bin/ansible-playbook"),
            "--inventory",
            str(inventory),
            str(ROOT / "playbooks" / f"{playbook}.yml"),
            "--extra-vars",
            json.dumps(variables),
        ],
        cwd=ROOT,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def words(text: str) -> str:
    """What a playbook printed as one line: without colours, indentation and line breaks."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", text).split())


def finish(process: subprocess.Popen[str]) -> str:
    """Wait for a playbook's end; what it printed.

    Raises:
        AssertionError: It failed.
    """
    text, _ = process.communicate(timeout=RUN_SECONDS)
    assert process.returncode == 0, text
    return text


def run(
    inventory: Path, playbook: str, env: Mapping[str, str] | None = None, **variables: Any
) -> tuple[int, str]:
    """Run a playbook to its end; its exit status and what it printed."""
    process = start(inventory, playbook, env, **variables)
    text, _ = process.communicate(timeout=RUN_SECONDS)
    return process.returncode, text


def kill_when(
    reached: Callable[[], bool], inventory: Path, playbook: str, **variables: Any
) -> None:
    """Run a playbook and end its whole tree with SIGKILL once `reached` says so.

    Raises:
        AssertionError: It ended by itself before, or `reached` never said so.
    """
    process = start(inventory, playbook, **variables)
    deadline = time.monotonic() + PHASE_SECONDS
    while not reached():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the moment to end it did not come"
        time.sleep(0.3)
    for pid in [process.pid, *descendants(process.pid)]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()


def in_phase(app: AirRisk, phase: str) -> Callable[[], bool]:
    """Whether the current run is in a phase; false while there is no run."""

    def reached() -> bool:
        try:
            phases = app.manifest()["phases"]
        except (TestbedError, json.JSONDecodeError):
            return False
        return [item["name"] for item in phases if item["outcome"] == "running"] == [phase]

    return reached


def await_phase(app: AirRisk, phase: str) -> None:
    """Wait until the current run is in a phase.

    Raises:
        TestbedError: It did not get there.
    """
    wait_until(f"the phase {phase}", in_phase(app, phase), timeout=PHASE_SECONDS)


def moment(text: str) -> float:
    """A moment as a manifest or Docker tells it (RFC 3339), in seconds since the epoch."""
    return datetime.fromisoformat(text).timestamp()


def descendants(pid: int) -> list[int]:
    """A process's children and theirs: ansible-playbook's workers have sessions of their own."""
    found = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, path.read_text().split()):
            found += [child, *descendants(child)]
    return found
