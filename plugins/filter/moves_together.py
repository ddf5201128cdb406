# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The filter `moves_together`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

DOCUMENTATION = r"""
name: moves_together
short_description: Adds the outcome of a move of messages to those of the moves before
version_added: 0.1.0
description:
  - Pure. For the manifest, where a run may move several times.
  - Numbers add up, but a peak stays the highest. Of messages that cannot be moved each is kept
    once, with id, task, queue and reason, never with its arguments.
positional: move
options:
  _input:
    description: What the manifest says of the moves before; empty for the first.
    type: dict
    required: true
  move:
    description: What the script C(celery_move) returned.
    type: dict
    required: true
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
moved: "{{ moves_before | default({}) | cutover.django_q.moves_together(move.result) }}"
"""

RETURN = r"""
_value:
  description: All moves together.
  type: dict
"""

# What a move returns and only its caller needs.
PASSING = ("changed", "left")
TOLD = ("id", "task", "queue", "why")


def moves_together(before: dict[str, Any], move: dict[str, Any]) -> dict[str, Any]:
    """The outcome of all moves.

    Args:
        before: what this function returned for the moves before; {} for the first.
        move: what `celery_move` returned.
    """
    result = dict(before)
    for key, value in move.items():
        if key in PASSING:
            continue
        if key == "unmovable":
            known = list(before.get(key, []))
            told = [{name: item.get(name) for name in TOLD} for item in value]
            result[key] = known + [item for item in told if item not in known]
        elif isinstance(value, list):
            known = list(before.get(key, []))
            result[key] = known + [item for item in value if item not in known]
        elif key.startswith("peak_"):
            result[key] = max(value, before.get(key, value))
        else:
            result[key] = value + before.get(key, 0)
    return result


class FilterModule:
    """Ansible's entry point."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"moves_together": moves_together}
