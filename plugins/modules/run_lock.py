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
options:
  path:
    description: The lock's path on the host. Its folder must be there.
    type: path
    required: true
  state:
    description: V(taken), V(free), or V(read) to look only.
    type: str
    choices: [taken, free, read]
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
"""

import json
import os
import uuid
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
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


def main() -> None:
    """Take the lock, give it back or look at it."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "state": {"type": "str", "choices": ["taken", "free", "read"], "default": "taken"},
            "run_id": {"type": "str", "default": ""},
            "owner": {"type": "dict"},
            "replace_token": {"type": "str", "default": "", "no_log": False},
        },
        supports_check_mode=True,
    )
    params = module.params
    path, run_id, owner = params["path"], params["run_id"], params["owner"] or {}
    try:
        held = read(path)
        taken_over: dict[str, Any] = {}
        if params["state"] == "read":
            module.exit_json(changed=False, held=held, taken_over={})
        if params["state"] == "free":
            if not held or not owns(held, run_id, owner):
                module.exit_json(changed=False, held=held, taken_over={})
            if not module.check_mode:
                os.unlink(path)
                atomic_file.fsync_directory(os.path.dirname(path))
            module.exit_json(changed=True, held={}, taken_over={})
        if held and owns(held, run_id, owner):
            module.exit_json(changed=False, held=held, taken_over={})
        if held and params["replace_token"] and held.get("token") == params["replace_token"]:
            taken_over = held
        elif held:
            module.fail_json(msg=refusal(path, held), held=held, taken_over={})
        wanted = {**owner, "run_id": run_id, "since": now(), "token": uuid.uuid4().hex}
        if module.check_mode:
            module.exit_json(changed=True, held=wanted, taken_over=taken_over)
        data = (json.dumps(wanted, indent=2) + "\n").encode()
        if taken_over:
            # Renaming the dead lock away succeeds for one taker alone.
            os.rename(path, f"{path}.{taken_over['token']}")
            os.unlink(f"{path}.{taken_over['token']}")
        try:
            atomic_file.create(path, data)
        except FileExistsError:
            module.fail_json(msg=refusal(path, read(path)), held=read(path), taken_over={})
    except OSError as error:
        module.fail_json(msg=f"The lock {path} cannot be used: {error}.")
    module.exit_json(changed=True, held=wanted, taken_over=taken_over)


if __name__ == "__main__":
    main()
