#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Stops containers by asking, and never by force."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_drain
short_description: Stops containers by asking, and never by force
version_added: 0.1.0
description:
  - Sends SIGTERM to the process that understands it and waits until the container has ended. It
    never sends SIGKILL, so that a task that runs is not lost.
  - The process is the container's first one, unless that is a shell or C(dumb-init), which do not
    forward the signal in a way that Celery and Django-Q survive; then it is the process below it.
  - An exit status other than 0 is a failure, because tasks may have been lost; not that of a
    container that crashes in a loop, which ends so by itself.
options:
  containers:
    description: The containers' ids or names.
    type: list
    elements: str
    required: true
  timeout:
    description: Seconds to wait for all of them. Past it the task fails and they go on running.
    type: int
    default: 600
  remove:
    description: Remove each container after it ended with status 0.
    type: bool
    default: false
attributes:
  check_mode:
    description: Nothing is stopped; V(changed) tells what would be.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Let the workers finish and stop them
  cutover.django_q.container_drain:
    containers: [air_risk-celery_worker-1]
    timeout: 3900
"""

RETURN = r"""
containers:
  description: For each container how it ended.
  type: list
  elements: dict
  returned: success
  sample:
    - {name: air_risk-celery_worker-1, exit_code: 0, seconds: 3.4, was_running: true}
"""

import contextlib
import os
import signal
import time
from datetime import datetime, timezone
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    DockerError,
    inspect_containers,
    run,
)

# First processes that do not hand SIGTERM to the one process that drains on it.
NO_FORWARDERS = {"sh", "dash", "bash", "ash", "busybox", "dumb-init"}
POLL_SECONDS = 0.2
RETURNING = "unless-stopped"
# A container that was restarted and has been up for less crashes in a loop: Docker waits for at
# most a minute between two starts.
LOOP_SECONDS = 60
# The longest that a process that has just been started may need to its handler of SIGTERM.
BOOT_SECONDS = 30


def command_line(pid: int) -> list[str]:
    """A process's arguments; empty when it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:
            return [part.decode(errors="replace") for part in stream.read().split(b"\0") if part]
    except OSError:
        return []


def children(pid: int) -> list[int]:
    """The direct children of a process, oldest first."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as stream:
            return [int(item) for item in stream.read().split()]
    except OSError:
        return []


def receiver(pid: int) -> int:
    """The process that SIGTERM is meant for: the first below shells and dumb-init."""
    seen = pid
    while True:
        arguments = command_line(seen)
        below = children(seen)
        if not arguments or os.path.basename(arguments[0]) not in NO_FORWARDERS or not below:
            return seen
        seen = below[0]


def takes_sigterm(status: str) -> bool:
    """Whether SIGTERM reaches a process, by its /proc/PID/status.

    The kernel drops it for a container's first process as long as that has no handler: one that
    was started this moment, as after a restart of the host, would never end.
    """
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    first = len(fields["NSpid"].split()) > 1 and fields["NSpid"].split()[-1] == "1"
    handled = int(fields["SigCgt"], 16) | int(fields["SigBlk"], 16)
    return not first or bool(handled >> (signal.SIGTERM - 1) & 1)


def await_handler(pid: int) -> int:
    """Wait until SIGTERM reaches the process that it is meant for; returns that process."""
    deadline = time.monotonic() + BOOT_SECONDS
    while True:
        found = receiver(pid)
        try:
            with open(f"/proc/{found}/status", encoding="utf-8", errors="replace") as stream:
                ready = takes_sigterm(stream.read())
        except OSError:
            ready = True
        if ready or time.monotonic() >= deadline:
            return found
        time.sleep(POLL_SECONDS)


def set_restart_policy(container: str, policy: dict[str, Any]) -> None:
    """Give a container a restart policy, {Name, MaximumRetryCount} as Docker tells it.

    Raises:
        DockerError: Docker refused.
    """
    name = policy.get("Name") or "no"
    if name == "on-failure" and policy.get("MaximumRetryCount"):
        name += f":{policy['MaximumRetryCount']}"
    run(["docker", "update", "--restart", name, container], timeout=30)


def crashes_in_a_loop(inspected: dict[str, Any], now: datetime) -> bool:
    """Whether a container ends by itself again and again: how it ends then is not our doing."""
    state = inspected["State"]
    if not state["Running"]:
        return False
    started = datetime.strptime(state["StartedAt"][:19] + "+0000", "%Y-%m-%dT%H:%M:%S%z")
    young = (now - started).total_seconds() < LOOP_SECONDS
    return not state["Pid"] or (inspected.get("RestartCount", 0) > 0 and young)


def returning(policy: dict[str, Any]) -> dict[str, Any]:
    """The policy by which Docker starts a container again that ends with status 0.

    `on-failure` and `no` would leave it down: a worker that was asked to end and given up on has
    to come back, so it gets `unless-stopped` until it is made anew.
    """
    return policy if policy.get("Name") in ("always", "unless-stopped") else {"Name": RETURNING}


def ask_to_end(inspected: dict[str, Any]) -> None:
    """Send SIGTERM once, to the process itself.

    `docker stop` and `docker kill` would mark the container as stopped on purpose, and a worker
    that outlives the timeout would not come back. So the policy is suspended meanwhile.

    Raises:
        DockerError: Docker refused.
    """
    set_restart_policy(inspected["Id"], {"Name": "no"})
    if not inspected["State"]["Pid"]:
        # It crashes in a loop and is between two starts: only Docker can break the loop. Without
        # a timeout it would send SIGKILL to a process that starts in this moment.
        run(["docker", "stop", "--time", "-1", inspected["Id"]], timeout=60)
        return
    # One that ends in this very moment is seen by the wait that follows.
    with contextlib.suppress(ProcessLookupError):
        os.kill(await_handler(inspected["State"]["Pid"]), signal.SIGTERM)


def drain(ids: list[str], timeout: float) -> list[dict[str, Any]]:
    """Ask the running ones among the containers to end, and wait.

    Returns:
        For each container {id, name, was_running, looping, exit_code, finished_at, seconds}.

    Raises:
        DockerError: one did not end in time, or with another status than 0.
    """
    start = time.monotonic()
    results = {}
    policies = {}
    for inspected in inspect_containers(ids):
        running = inspected["State"]["Running"]
        policies[inspected["Id"]] = inspected["HostConfig"]["RestartPolicy"]
        if running:
            ask_to_end(inspected)
        results[inspected["Id"]] = {
            "id": inspected["Id"],
            "name": inspected["Name"].lstrip("/"),
            "was_running": running,
            "looping": crashes_in_a_loop(inspected, datetime.now(timezone.utc)),
            "exit_code": None,
            "finished_at": None,
            "seconds": 0.0,
        }
    waiting = set(results)
    while waiting:
        for inspected in inspect_containers(sorted(waiting)):
            if not inspected["State"]["Running"]:
                entry = results[inspected["Id"]]
                entry["exit_code"] = inspected["State"]["ExitCode"]
                entry["finished_at"] = inspected["State"]["FinishedAt"]
                entry["seconds"] = round(time.monotonic() - start, 2)
                waiting.discard(inspected["Id"])
        if waiting and time.monotonic() - start > timeout:
            names = ", ".join(results[item]["name"] for item in sorted(waiting))
            for item in waiting:
                set_restart_policy(item, returning(policies[item]))
            raise DockerError(
                f"{names} did not end within {timeout:g} s after SIGTERM. Nothing was killed: "
                "a task may still run there, and Docker starts it again when it ends. Wait for it, "
                "or raise the timeout, and run again."
            )
        if waiting:
            time.sleep(POLL_SECONDS)
    bad = [
        entry
        for entry in results.values()
        if entry["was_running"] and not entry["looping"] and entry["exit_code"] != 0
    ]
    if bad:
        raise DockerError(
            "; ".join(f"{entry['name']} ended with status {entry['exit_code']}" for entry in bad)
            + "; expected 0. A task that ran there may be lost: look at `docker logs`."
        )
    return list(results.values())


def main() -> None:
    """Stop the containers."""
    module = AnsibleModule(
        argument_spec={
            "containers": {"type": "list", "elements": "str", "required": True},
            "timeout": {"type": "int", "default": 600},
            "remove": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    ids, remove = module.params["containers"], module.params["remove"]
    try:
        if module.check_mode:
            found = inspect_containers(ids)
            running = any(item["State"]["Running"] for item in found)
            module.exit_json(changed=running or (remove and bool(found)), containers=[])
        results = drain(ids, module.params["timeout"])
        if remove and ids:
            run(["docker", "rm", *ids], timeout=60)
    except DockerError as error:
        module.fail_json(msg=str(error))
    changed = (remove and bool(ids)) or any(entry["was_running"] for entry in results)
    module.exit_json(changed=changed, containers=results)


if __name__ == "__main__":
    main()
