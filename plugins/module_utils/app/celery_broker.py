# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""How to reach Celery's broker. Its result holds a password: register it under `no_log`.

Runs where Celery is installed.

Params:
    celery_app: see `celery_state`.
    queues: names of queues that are used although the application's settings do not name them.
"""

from __future__ import annotations

READS_ONLY = True


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {transport, url, key_prefix, unacked_key, unacked_index_key, queues: [names],
        tasks: [names of the application's tasks]}
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import celery_state

    app = celery_state.application(params.get("celery_app", ""))
    with app.connection_for_read() as connection:
        broker = celery_state.described(app, connection)
    broker["queues"] = sorted({*broker["queues"], *params.get("queues", [])})
    return broker
