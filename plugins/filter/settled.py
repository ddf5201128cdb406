# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `settled`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.verify_findings import settled

DOCUMENTATION = r"""
name: settled
short_description: Tells whether no container of some services is still starting
version_added: 0.1.0
description:
  - Pure. For a task's C(until).
positional: names
options:
  _input:
    description: The services of the module M(cutover.django_q.compose_info).
    type: dict
    required: true
  names:
    description: The services' names.
    type: list
    elements: str
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
until: project.services | cutover.django_q.settled(['web'])
"""

RETURN = r"""
_value:
  description: Whether they can be judged.
  type: bool
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"settled": settled}
