# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""How to reach Celery's broker. Its result holds a password: register it under `no_log`.

Runs where Celery is installed.

Params:
    celery_app: see `celery_state`.
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
        options = connection.transport_options or {}
        return {
            "transport": connection.transport.driver_type,
            "url": connection.as_uri(include_password=True),
            "key_prefix": options.get("global_keyprefix", ""),
            "unacked_key": options.get("unacked_key", "unacked"),
            "unacked_index_key": options.get("unacked_index_key", "unacked_index"),
            "queues": celery_state.queue_names(app, None),
            "tasks": sorted(name for name in app.tasks if not name.startswith("celery.")),
        }
