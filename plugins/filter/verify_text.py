# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `verify_text`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.verify_text import (
    verify_text,
)

DOCUMENTATION = r"""
name: verify_text
short_description: Shows what the role verify has read as tables
version_added: 0.1.0
description:
  - Pure. The probes, the schedules, the containers.
options:
  _input:
    description: What was read, as P(cutover.django_q.verify_findings#filter) takes it.
    type: dict
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
msg: "{{ seen | cutover.django_q.verify_text }}"
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
        return {"verify_text": verify_text}
