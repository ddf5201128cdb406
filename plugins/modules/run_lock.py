#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Takes and gives back the lock of a deployment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_lock
short_description: Takes and gives back the lock of a deployment
version_added: 0.1.0
description:
  - One run at a time works on a deployment. The lock is a file on the host, made atomically with
    its content, that names who holds it, from where, since when and for which run.
  - It is never given back by a run that does not own it.
  - A lock whose ansible-playbook ran on this same control node and is no more is taken over. Any
    other is left alone, and the command that clears it is shown.
  - The death of ansible-playbook does not end what it has started on the host. So whoever takes the
    lock waits until every process is gone that an earlier run of this deployment has left. Known
    are those that carry the environment variable C(CUTOVER_DEPLOYMENT) with the same value as this
    task, which the playbooks set for all of theirs.
options:
  path:
    description: The lock's path on the host. Its folder must be there.
    type: path
    required: true
  state:
    description:
      - V(taken), V(free), or V(read) to look only.
      - V(swept) removes the lock of a holder that is known to be dead and touches no other.
    type: str
    choices: [taken, free, read, swept]
    default: taken
  run_id:
    description: The run that takes or owns the lock.
    type: str
    default: ""
  owner:
    description: Who takes it (user, host, pid, pid_started). The action plugin sets it.
    type: dict
  replace_token:
    description: >-
      The token of a lock that is known to be dead: it is taken over. The action plugin sets it.
    type: str
    default: ""
  timeout:
    description: Seconds to wait for what an earlier run has left on the host.
    type: int
    default: 900
attributes:
  check_mode:
    description: The lock is looked at and neither taken nor given back.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Take the lock
  cutover.django_q.run_lock:
    path: /var/lib/cutover/air_risk/lock
    run_id: 20260101T020000Z-1a2b
"""

RETURN = r"""
held:
  description: Who holds the lock now; empty when nobody does.
  type: dict
  returned: always
taken_over:
  description: The dead holder from whom the lock was taken over; empty when there was none.
  type: dict
  returned: always
waited:
  description: Seconds for which something of an earlier run was still at work.
  type: float
  returned: when the lock was taken
"""

import contextlib
import fcntl
import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file, run_leftover
from ansible_collections.cutover.django_q.plugins.module_utils.moment import now


def read(path: str) -> dict[str, Any]:
    """The lock's content; empty when nobody holds it.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except FileNotFoundError:
        return {}
    except ValueError:
        return {"unreadable": True}


def refusal(path: str, held: dict[str, Any]) -> str:
    """The sentence that says who holds the lock and what to do."""
    return (
        f"Another run holds the lock {path}: run {held.get('run_id', '?')} of "
        f"{held.get('user', '?')} on {held.get('host', '?')} (process {held.get('pid', '?')}), "
        f"since {held.get('since', '?')}. Nothing was changed. Wait for it to end; when you know "
        f"that it is dead, clear the lock with `rm {path}` on the host and run the same "
        "playbook again."
    )


def owns(held: dict[str, Any], run_id: str, owner: dict[str, Any]) -> bool:
    """Whether the lock is that of this run, taken by this very process."""
    return held.get("run_id") == run_id and all(
        held.get(key) == owner.get(key) for key in ("host", "pid", "pid_started")
    )


class Held(Exception):
    """Somebody else holds the lock: `held` says who."""

    def __init__(self, held: dict[str, Any]) -> None:
        """Keep who."""
        super().__init__()
        self.held = held


@contextlib.contextmanager
def alone(folder: str) -> Iterator[None]:
    """No other call looks at or changes a lock of the folder meanwhile.

    Raises:
        OSError: There is no such folder.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def give_back(path: str, token: str) -> None:
    """Remove the lock where it is still the one of that token.

    Raises:
        OSError: It cannot be removed.
    """
    with alone(os.path.dirname(path)):
        if read(path).get("token") == token:
            os.unlink(path)
            atomic_file.fsync_directory(os.path.dirname(path))


def take(path: str, wanted: dict[str, Any], replace_token: str) -> dict[str, Any]:
    """Take the lock.

    Args:
        wanted: The lock's content: run_id, since, token, and the owner's user, host, pid and
            pid_started.
        replace_token: The token of a dead holder whose lock is taken over.

    Returns:
        The dead holder from whom it was taken over; empty when there was none.

    Raises:
        Held: Another run has it.
        OSError: It cannot be written.
    """
    with alone(os.path.dirname(path)):
        held = read(path)
        # The same process may go on under the id of a run that it has found meanwhile.
        mine = bool(held.get("pid_started")) and owns(held, held.get("run_id", ""), wanted)
        dead = bool(replace_token) and held.get("token") == replace_token
        if held and not mine and not dead:
            raise Held(held)
        data = (json.dumps(wanted, indent=2) + "\n").encode()
        if held:
            atomic_file.replace(path, data)
        else:
            atomic_file.create(path, data)
    return held if dead and not mine else {}


def taken(module: AnsibleModule, owner: dict[str, Any]) -> dict[str, Any]:
    """Take the lock and wait for what an earlier run has left; the module's result.

    Raises:
        Held: Another run has it.
        OSError: It cannot be used.
        StillAtWork: What is left does not end; the lock was given back.
    """
    path, run_id = module.params["path"], module.params["run_id"]
    replace_token, token = module.params["replace_token"], uuid.uuid4().hex
    wanted = {**owner, "run_id": run_id, "since": now(), "token": token}
    held = read(path)
    if held and owns(held, run_id, owner):
        return {"changed": False, "held": held, "taken_over": {}, "waited": 0.0}
    if module.check_mode:
        if held and held.get("token") != replace_token:
            raise Held(held)
        return {"changed": True, "held": wanted, "taken_over": held, "waited": 0.0}
    taken_over = take(path, wanted, replace_token)
    try:
        waited = run_leftover.wait_for_end(run_leftover.mark(), module.params["timeout"])
    except run_leftover.StillAtWork:
        give_back(path, token)
        raise
    return {"changed": True, "held": wanted, "taken_over": taken_over, "waited": round(waited, 1)}


def freed(module: AnsibleModule, owner: dict[str, Any]) -> dict[str, Any]:
    """Give the lock back, or sweep a dead one away; the module's result.

    Raises:
        OSError: It cannot be used.
    """
    path = module.params["path"]
    held = read(path)
    mine = owns(held, module.params["run_id"], owner)
    dead = bool(held) and held.get("token") == module.params["replace_token"]
    if not held or not (mine if module.params["state"] == "free" else dead):
        return {"changed": False, "held": held, "taken_over": {}}
    if not module.check_mode:
        give_back(path, held.get("token", ""))
    return {"changed": True, "held": {}, "taken_over": {}}


def main() -> None:
    """Take the lock, give it back or look at it."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {
                "type": "str",
                "choices": ["taken", "free", "read", "swept"],
                "default": "taken",
            },
            "run_id": {"type": "str", "default": ""},
            "owner": {"type": "dict"},
            "replace_token": {"type": "str", "default": "", "no_log": False},
            "timeout": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    path, state = module.params["path"], module.params["state"]
    owner = module.params["owner"] or {}
    try:
        if state == "taken":
            result = taken(module, owner)
        elif state == "read":
            result = {"changed": False, "held": read(path), "taken_over": {}}
        else:
            result = freed(module, owner)
    except Held as error:
        module.fail_json(msg=refusal(path, error.held), held=error.held, taken_over={})
    except run_leftover.StillAtWork as error:
        module.fail_json(msg=str(error), held={}, taken_over={})
    except OSError as error:
        module.fail_json(msg=f"The lock {path} cannot be used: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
