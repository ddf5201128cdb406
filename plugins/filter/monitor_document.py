# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `monitor_document`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.monitor_document import (
    monitor_document,
)

DOCUMENTATION = r"""
name: monitor_document
short_description: Joins figures, limits and what is past a limit
version_added: 0.1.0
description:
  - Pure.
positional: containers, limits, project, before
options:
  _input:
    description: What the script C(metrics) returned.
    type: dict
    required: true
  containers:
    description: Of the module M(cutover.django_q.container_memory).
    type: list
    required: true
    elements: dict
  limits:
    description: The limits by name.
    type: dict
    required: true
  project:
    description: The project's name.
    type: str
    required: false
  before:
    description: Bytes by container before the migration.
    type: dict
    required: false
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
document: >-
  {{ metrics.result
     | cutover.django_q.monitor_document(memory.containers, limits, 'air_risk') }}
"""

RETURN = r"""
_value:
  description: The document; C(crossed) lists the limits that were passed.
  type: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"monitor_document": monitor_document}
