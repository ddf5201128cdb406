# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Waits until the broker holds nothing that only a Celery worker can run.

Runs while the workers live, in a container that reaches the broker.

Params:
    broker: what `celery_broker` returned.
    empty: wait until the queues are empty altogether (a broker whose messages cannot be moved).
    timeout: seconds.
"""

from __future__ import annotations

READS_ONLY = True

POLL_SECONDS = 0.5
# More than that is not listed: it is the operator's work list, not a copy of the queue.
LISTED = 50


def unmovable(client, broker: dict) -> list[dict]:
    """The messages in the queues and in workers' hands that cannot be moved.

    Returns:
        [{id, task, queue, why}]
    """
    import json

    from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues

    tasks = set(broker["tasks"])
    found = []

    def look(raw, queue: str) -> None:
        known = {"id": None, "task": None}
        try:
            message = redis_queues.decode(raw)
            known = message
            redis_queues.check_movable(message, tasks)
            redis_queues.plain([message["args"], message["kwargs"]])
        except redis_queues.Unmovable as error:
            if len(error.args) > 1:
                known = error.args[1]
            found.append(
                {"id": known["id"], "task": known["task"], "queue": queue, "why": error.args[0]}
            )

    for queue in redis_queues.queue_names(client, broker):
        for key in redis_queues.keys_of(broker, queue):
            for raw in client.lrange(key, 0, -1):
                look(raw, queue)
    for value in client.hvals(broker["key_prefix"] + broker["unacked_key"]):
        message, _exchange, queue = json.loads(value)
        look(json.dumps(message), queue)
    return found


def waiting_in_amqp(broker: dict) -> dict[str, int]:
    """How many messages wait in each queue of an AMQP broker."""
    from kombu import Connection

    found = {}
    with Connection(broker["url"]) as connection:
        for queue in broker["queues"]:
            try:
                declared = connection.default_channel.queue_declare(queue, passive=True)
                found[queue] = declared.message_count
            except connection.channel_errors:
                continue
    return {queue: count for queue, count in found.items() if count}


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {done, left: [{id, task, queue, why}], more (how many are not listed), seconds}
    """
    import time

    from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues

    broker = params["broker"]
    start = time.monotonic()
    client = redis_queues.connect(broker) if broker["transport"] == "redis" else None
    while True:
        if client is None:
            left = [
                {"id": None, "task": None, "queue": queue, "why": f"{count} messages wait"}
                for queue, count in waiting_in_amqp(broker).items()
            ]
        elif params.get("empty"):
            left = [
                {"id": None, "task": None, "queue": queue, "why": f"{count} messages wait"}
                for queue, count in redis_queues.lengths(client, broker).items()
            ]
        else:
            left = unmovable(client, broker)
        seconds = time.monotonic() - start
        if not left or seconds >= params["timeout"]:
            return {
                "done": not left,
                "left": left[:LISTED],
                "more": max(0, len(left) - LISTED),
                "seconds": round(seconds, 2),
            }
        time.sleep(POLL_SECONDS)
