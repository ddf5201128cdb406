# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Waits until the broker, and where asked the workers, hold nothing that only a worker can run.

It is for a container of the old release, which has Celery; without `workers` and with Redis as the
broker redis-py is enough.

Params:
    broker: what `celery_broker` returned.
    celery_app: see `celery_state`.
    empty: wait until nothing is left at all, not only what cannot be moved. A broker whose messages
        cannot be moved is meant so in any case.
    workers: how many workers have to say that they hold nothing; 0 asks none of them. A task that
        runs may send another one as its last act, and a countdown may stand in a worker's memory
        alone.
    timeout: seconds; 0 looks once.
"""

from __future__ import annotations

READS_ONLY = True

POLL_SECONDS = 0.5
# Seconds that workers get to answer, and those in which the last one takes its leave of RabbitMQ.
ANSWER_SECONDS = 2
LEAVE_SECONDS = 10
TAKES = "workers still take from it"
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
            redis_queues.moment(message["eta"])
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


def queued_in_redis(client, broker: dict) -> list[dict]:
    """All that Redis holds, by queue, in the form of `unmovable`."""
    from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues

    return [
        {"id": None, "task": None, "queue": queue, "why": f"{count} messages wait"}
        for queue, count in redis_queues.lengths(client, broker).items()
    ]


def queued_in_amqp(connection, broker: dict, alone: bool) -> list[dict]:
    """All that waits in RabbitMQ, by queue, in the form of `unmovable`.

    Args:
        alone: no worker is to be there any more: one that takes from a queue is left too, since
            what it holds is not counted.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import amqp_queues

    found = []
    for seen in amqp_queues.waiting(connection, broker["queues"]):
        whys = [f"{seen['messages']} messages wait"] if seen["messages"] else []
        if alone and seen["consumers"]:
            whys.append(f"{TAKES}: {seen['consumers']}")
        found += [{"id": None, "task": None, "queue": seen["queue"], "why": why} for why in whys]
    return found


def held_by_workers(app, workers: int) -> list[dict]:
    """The tasks that workers run or hold, in the form of `unmovable`.

    Fewer answers than workers are something left as well: what is not known is not idle.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import celery_state

    names = set(app.control.inspect(timeout=ANSWER_SECONDS).ping() or {})
    if len(names) < workers:
        why = f"{len(names)} of {workers} workers say what they hold"
        return [{"id": None, "task": None, "queue": None, "why": why}]
    found = []
    whys = {"active": "it runs", "reserved": "a worker has fetched it", "scheduled": "due at {eta}"}
    for kind, answer in celery_state.held(app, ANSWER_SECONDS, len(names)).items():
        if set(answer or {}) != names:
            why = f"{len(answer or {})} of {len(names)} workers say what they hold"
            found.append({"id": None, "task": None, "queue": None, "why": why})
        for items in (answer or {}).values():
            for item in items:
                why = whys[kind].format(eta=item["eta"])
                found.append({**{key: item[key] for key in ("id", "task", "queue")}, "why": why})
    return found


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {done, left: [{id, task, queue, why}], more (how many are not listed), seconds}
    """
    import time

    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        celery_state,
        redis_queues,
    )

    broker, workers = params["broker"], params.get("workers", 0)
    in_redis = broker["transport"] == "redis"
    start = time.monotonic()
    client = redis_queues.connect(broker) if in_redis else None
    needs_celery = workers or not in_redis
    app = celery_state.application(params.get("celery_app", "")) if needs_celery else None

    def look() -> list[dict]:
        # The queues first: what a worker takes from them meanwhile is in its hands then.
        if in_redis:
            whole = params.get("empty")
            left = queued_in_redis(client, broker) if whole else unmovable(client, broker)
        else:
            with app.connection_for_read() as connection:
                left = queued_in_amqp(connection, broker, alone=not workers)
        return left + (held_by_workers(app, workers) if workers and not left else [])

    def patience(left: list[dict]) -> float:
        """Seconds: RabbitMQ sees a moment later than Docker that a worker has ended."""
        leaving = any(item["why"].startswith(TAKES) for item in left)
        return max(params["timeout"], LEAVE_SECONDS if leaving else 0)

    while True:
        left = look()
        seconds = time.monotonic() - start
        if not left or seconds >= patience(left):
            return {
                "done": not left,
                "left": left[:LISTED],
                "more": max(0, len(left) - LISTED),
                "seconds": round(seconds, 2),
            }
        time.sleep(POLL_SECONDS)
