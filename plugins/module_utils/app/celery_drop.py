# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Removes from Redis the messages that only a Celery worker could run and that stand in a file now.

What is not in the file stays, whatever came since. A repeat finds nothing to remove.

Params:
    broker: what `celery_broker` returned.
    digests: of the messages that were exported, see `redis_queues.digest`.
"""

from __future__ import annotations

READS_ONLY = False


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, dropped}
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues

    broker, digests = params["broker"], set(params["digests"])
    client = redis_queues.connect(broker)
    dropped = 0
    for queue in redis_queues.queue_names(client, broker):
        for key in redis_queues.keys_of(broker, queue):
            for raw in client.lrange(key, 0, -1):
                if redis_queues.digest(raw) in digests:
                    dropped += client.lrem(key, 1, raw)
    return {"changed": dropped > 0, "dropped": dropped}
