# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `convert_text`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.convert_text import convert_text

DOCUMENTATION = r"""
name: convert_text
short_description: Says what a conversion came to
version_added: 0.1.0
description:
  - Pure.
positional: source, branch, dry
options:
  _input:
    description: What M(cutover.django_q.convert_branch) returned.
    type: dict
    required: true
  source:
    description: The checkout.
    type: str
    required: true
  branch:
    description: The branch.
    type: str
    required: true
  dry:
    description: Whether it was made in check mode.
    type: bool
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
msg: "{{ converted | cutover.django_q.convert_text('/home/ann/air_risk', 'django-q', false) }}"
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
        return {"convert_text": convert_text}
