# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Gives the schedule back to beat, and their queues to workers that were made quiet.

Runs in the old release, before beat starts.

Params: those of `schedules_hand_back` and
    celery_app: see `celery_state`.
    consumed: {node: [queue, …]} as it was before the migration; None: no worker answered then.
"""

from __future__ import annotations

READS_ONLY = False


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, schedules (see `schedules_hand_back`), fetching (see
        `celery_quiesce.fetch_again`)}
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        celery_quiesce,
        celery_state,
        schedules_hand_back,
    )

    schedules = schedules_hand_back.run(params)
    app = celery_state.application(params.get("celery_app", ""))
    fetching = celery_quiesce.fetch_again(app, params["consumed"] or {})
    return {
        "changed": schedules["changed"] or fetching > 0,
        "schedules": schedules,
        "fetching": fetching,
    }
