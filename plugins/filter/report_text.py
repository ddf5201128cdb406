# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `report_text`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.report_document import report_text

DOCUMENTATION = r"""
name: report_text
short_description: Shows the report of a run as tables
version_added: 0.1.0
description:
  - Pure.
options:
  _input:
    description: What P(cutover.django_q.report_document#filter) returned.
    type: dict
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
msg: "{{ document | cutover.django_q.report_text }}"
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
        return {"report_text": report_text}
