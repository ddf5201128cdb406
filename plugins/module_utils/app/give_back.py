# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Gives schedules and queued tasks back to Celery, in one process: no worker runs meanwhile.

Params: those of `schedules_hand_back` and of `celery_move_back`.
"""

from __future__ import annotations

READS_ONLY = False


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, schedules (see `schedules_hand_back`), moved (see `celery_move_back`)}
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        celery_move_back,
        schedules_hand_back,
    )

    schedules = schedules_hand_back.run(params)
    moved = celery_move_back.run(params)
    return {
        "changed": schedules["changed"] or moved["changed"],
        "schedules": schedules,
        "moved": moved,
    }
