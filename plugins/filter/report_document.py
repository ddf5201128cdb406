# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `report_document`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.report_document import (
    report_document,
)

DOCUMENTATION = r"""
name: report_document
short_description: Tells what a run did, before and after
version_added: 0.1.0
description:
  - Pure.
positional: containers, names
options:
  _input:
    description: The run's manifest.
    type: dict
    required: true
  containers:
    description: Of the module M(cutover.django_q.container_memory), now.
    type: list
    required: true
    elements: dict
  names:
    description: The services of each task system.
    type: dict
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
document: >-
  {{ run_record_manifest
     | cutover.django_q.report_document(memory.containers,
                                        {'celery': ['celery_worker'], 'django_q': ['qcluster']}) }}
"""

RETURN = r"""
_value:
  description: The report.
  type: dict
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"report_document": report_document}
