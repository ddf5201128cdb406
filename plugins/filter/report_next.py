# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `report_next`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.report_document import report_next

DOCUMENTATION = r"""
name: report_next
short_description: Shows what to do after a run
version_added: 0.1.0
description:
  - Pure.
positional: folder, inventory
options:
  _input:
    description: What P(cutover.django_q.report_document#filter) returned.
    type: dict
    required: true
  folder:
    description: The run's folder on the host.
    type: str
    required: true
  inventory:
    description: The inventory that the commands name.
    type: str
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
msg: "{{ document | cutover.django_q.report_next(run_record_dir, 'inventories/demo') }}"
"""

RETURN = r"""
_value:
  description: Lines of text.
  type: str
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"report_next": report_next}
