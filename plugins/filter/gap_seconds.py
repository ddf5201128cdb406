# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `gap_seconds`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.moment import gap_seconds

DOCUMENTATION = r"""
name: gap_seconds
short_description: Tells for how many seconds nobody was there
version_added: 0.1.0
description:
  - Pure. The time from the end of those who worked before to the start of those who took over; 0
    where they overlap.
positional: took_over
options:
  _input:
    description: When the former ended (RFC 3339); of several the last counts.
    type: list
    elements: str
    required: true
  took_over:
    description: When the latter began (RFC 3339); of several the first counts.
    type: list
    elements: str
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
gap: "{{ ['2026-03-01T10:00:00Z'] | cutover.django_q.gap_seconds(['2026-03-01T10:00:02.5Z']) }}"
"""

RETURN = r"""
_value:
  description: Seconds, V(none) where one of the lists is empty.
  type: float
"""


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"gap_seconds": gap_seconds}
