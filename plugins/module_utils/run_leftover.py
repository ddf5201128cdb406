# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What a run that is dead still does on the host.

The death of ansible-playbook does not end the module that it has started: that one, and every
command that it calls, goes on to its end. All of them carry the environment variable `MARK`, which
the playbooks set to the folder of the deployment, and so does the process that looks for them.
"""

from __future__ import annotations

import os
import time
from typing import Any

MARK = "CUTOVER_DEPLOYMENT"
POLL_SECONDS = 0.2


class StillAtWork(Exception):
    """Processes of a dead run did not end; the text names them and says what to do."""


def mark() -> str:
    """The deployment that this process works on; "" where no playbook said so."""
    return os.environ.get(MARK, "")


def earlier(value: str) -> list[dict[str, Any]]:
    """Processes with the mark that started before this one and did not start it.

    A later one is no leftover: it belongs to a run that waits for this very process.

    Args:
        value: The deployment's folder, as `MARK` holds it.

    Returns:
        [{pid, command}], the oldest first; those that this user may not look at are left out.
    """
    wanted = f"{MARK}={value}".encode()
    # The process id tells two of one tick apart.
    mine, own = (_started(os.getpid()), os.getpid()), _lineage(os.getpid())
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in own:
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as stream:
                marked = wanted in stream.read().split(b"\0")
            started = (_started(int(name)), int(name))
        except OSError:
            continue
        if marked and started < mine:
            found.append((started, {"pid": int(name), "command": _command(int(name))}))
    return [item for _, item in sorted(found, key=lambda pair: pair[0])]


def wait_for_end(value: str, timeout: float) -> float:
    """Wait until nothing is left of runs before this one.

    Args:
        value: The deployment's folder; with "" there is nothing to look for.
        timeout: Seconds.

    Returns:
        The seconds that it took.

    Raises:
        StillAtWork: It took longer.
    """
    start = time.monotonic()
    while value:
        left = earlier(value)
        waited = time.monotonic() - start
        if not left:
            return waited
        if waited > timeout:
            names = "; ".join(f"process {item['pid']}: {item['command']}" for item in left)
            raise StillAtWork(
                f"An earlier run of {value} is dead, but what it has started on the host has not "
                f"ended for {timeout:g} s: {names}. Nothing was changed. Wait for it, or raise "
                "run_record_takeover_timeout, and run the same playbook again."
            )
        time.sleep(POLL_SECONDS)
    return 0.0


def _lineage(pid: int) -> set[int]:
    """A process and those that started it."""
    found = set()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            pid = int(_stat(pid)[1])
        except OSError:
            break
    return found


def _started(pid: int) -> int:
    """When a process started, in the kernel's ticks since the boot.

    Raises:
        OSError: There is no such process.
    """
    return int(_stat(pid)[19])


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on: state, parent, …"""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stream:
        return stream.read().rpartition(")")[2].split()


def _command(pid: int) -> str:
    """A process's command line, shortened; its name where that is empty."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            words = stream.read().replace(b"\0", b" ").decode(errors="replace").strip()
        return words[:120] or "?"
    except OSError:
        return "?"
