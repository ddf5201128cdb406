# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `monitor_text`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.monitor_document import monitor_text

DOCUMENTATION = r"""
name: monitor_text
short_description: Shows the document of the role monitor as tables
version_added: 0.1.0
description:
  - Pure.
options:
  _input:
    description: What P(cutover.django_q.monitor_document#filter) returned.
    type: dict
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
msg: "{{ document | cutover.django_q.monitor_text }}"
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
        return {"monitor_text": monitor_text}
