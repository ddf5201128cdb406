# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `findings_text`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.text_table import findings

DOCUMENTATION = r"""
name: findings_text
short_description: Shows findings as text
version_added: 0.1.0
description:
  - Pure. Each with what was found, what was expected and what to do.
positional: headline
options:
  _input:
    description: Findings, each with found, expected and fix.
    type: list
    required: true
    elements: dict
  headline:
    description: What they are about; their number is put after it.
    type: str
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
msg: "{{ findings | cutover.django_q.findings_text('air_risk is not as it should be') }}"
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
        return {"findings_text": findings}
