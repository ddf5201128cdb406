# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `verify_findings`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.verify_findings import (
    verify_findings,
)

DOCUMENTATION = r"""
name: verify_findings
short_description: Judges what the role verify has read
version_added: 0.1.0
description:
  - Pure. Every difference between what was found and what was expected becomes a finding.
options:
  _input:
    description: What was read; see C(plugins/module_utils/verify_findings.py).
    type: dict
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
findings: "{{ seen | cutover.django_q.verify_findings }}"
"""

RETURN = r"""
_value:
  description: Findings, each with id, level, found, expected and fix.
  type: list
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"verify_findings": verify_findings}
