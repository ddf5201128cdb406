# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Says who takes the lock, and finds out whether its holder on this control node still lives."""

from __future__ import annotations

import getpass
import os
import socket
from typing import Any

from ansible.plugins.action import ActionBase


def process_started(pid: int) -> str:
    """When a process of this control node started, in the kernel's ticks with the boot's id.

    Returns:
        An opaque text that no other process ever has; "" when there is no such process or the
        control node has no /proc.
    """
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stream:
            ticks = stream.read().rpartition(")")[2].split()[19]
        with open("/proc/sys/kernel/random/boot_id", encoding="utf-8") as stream:
            return f"{stream.read().strip()}/{ticks}"
    except (OSError, IndexError):
        return ""


def is_dead(held: dict[str, Any], owner: dict[str, Any]) -> bool:
    """Whether the holder was a process of this control node and is no more."""
    return (
        bool(held.get("pid_started"))
        and held.get("host") == owner["host"]
        and process_started(int(held["pid"])) != held["pid_started"]
    )


class ActionModule(ActionBase):
    """The part of `run_lock` that runs on the control node."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the module; take or sweep a dead holder's lock by a second call."""
        super().run(tmp, task_vars)
        # A task runs in a process forked from ansible-playbook: that one is the run.
        pid = os.getppid()
        owner = {
            "user": os.environ.get("SUDO_USER") or getpass.getuser(),
            "host": socket.gethostname(),
            "pid": pid,
            "pid_started": process_started(pid),
        }
        arguments = {**self._task.args, "owner": owner}

        def call(**more: Any) -> dict[str, Any]:
            return self._execute_module(
                module_name="cutover.django_q.run_lock",
                module_args={**arguments, **more},
                task_vars=task_vars,
            )

        result = call()
        held = result.get("held") or {}
        found = result.get("failed") or self._task.args.get("state") == "swept"
        if found and held.get("token") and is_dead(held, owner):
            result = call(replace_token=held["token"])
        return result
