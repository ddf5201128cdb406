# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Turns what is recorded of edited Compose files into what `compose_install` is to do."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

DOCUMENTATION = r"""
name: compose_install_steps
short_description: Turns recorded Compose files into what compose_install is to do
version_added: 0.1.0
description:
  - A file may stand as it was before the run, as the target release has it, or as it was edited.
    In each of these states it may be replaced.
positional: _input, state
options:
  _input:
    description: The files as C(compose_edit) returned them.
    type: list
    elements: dict
    required: true
  state:
    description: V(after) for the edited copies, V(before) for the originals.
    type: str
    choices: [after, before]
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
steps: "{{ edited.files | cutover.django_q.compose_install_steps('before') }}"
"""

RETURN = r"""
_value:
  description: What O(cutover.django_q.compose_install#module:install) takes.
  type: list
  elements: dict
"""


def compose_install_steps(recorded: list[dict[str, Any]], state: str) -> list[dict[str, Any]]:
    """The steps that bring recorded files to a state; those that never change are left out.

    Raises:
        AnsibleFilterError: the state is neither `after` nor `before`.
    """
    if state not in ("after", "before"):
        raise AnsibleFilterError(
            f"compose_install_steps: the state is {state!r}; expected 'after' or 'before'."
        )
    source, sha256 = (
        ("candidate", "sha256_after") if state == "after" else ("original", "sha256_before")
    )
    return [
        {
            "path": item["path"],
            "source": item[source],
            "sha256": item[sha256],
            "expected": [item["sha256_before"], item["sha256_base"], item["sha256_after"]],
            "mode": item["mode"],
            "uid": item["uid"],
            "gid": item["gid"],
        }
        for item in recorded
        if len({item["sha256_before"], item["sha256_base"], item["sha256_after"]}) > 1
    ]


class FilterModule:
    """The filter of this file."""

    def filters(self) -> dict[str, Any]:
        """Its name and its function."""
        return {"compose_install_steps": compose_install_steps}
