# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Whether Celery's workers can be drained in the time they get, and what will happen to the rest.

Facts are those of the script `celery_state`; `settings["drain"]` is {timeout (seconds), move}.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.preflight_findings import (
    Judgement,
    listed,
)
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_rules_target import (
    longest_limit,
)

RABBITMQ = ("amqp", "pyamqp")


def held(celery: dict[str, Any], *kinds: str) -> list[dict[str, Any]]:
    """The tasks that workers run (`active`), have fetched (`reserved`), hold (`scheduled`)."""
    return [item for kind in kinds for items in (celery.get(kind) or {}).values() for item in items]


def seconds_until(moment: str | None, now: str) -> float:
    """Seconds from one moment to another (RFC 3339); 0 without one."""
    if not moment:
        return 0.0
    return (datetime.fromisoformat(moment) - datetime.fromisoformat(now)).total_seconds()


def judge_longest(found: Judgement, celery: dict[str, Any], timeout: float) -> None:
    """The longest task, as it is configured or seen, ends within the time to drain."""
    seen = [
        (item["task"], item["seconds"], "has run for")
        for item in held(celery, "active")
        if item.get("seconds")
    ]
    limit = longest_limit(celery)
    if limit:
        seen.append((*limit, "may take"))
    longest = max(seen, key=lambda item: item[1], default=None)
    if longest and longest[1] >= timeout:
        task, seconds, verb = longest
        found.warning(
            "drain_timeout_short",
            f"celery_drain_timeout is {timeout:g} s; {task} {verb} {seconds:g} s",
            "more than the longest task: one that outlives it ends the migration, which then goes "
            "back by itself",
            f"Set celery_drain_timeout to more than {seconds:g}.",
        )


def judge_transport(
    found: Judgement, celery: dict[str, Any], transport: str, timeout: float
) -> None:
    """Redis's messages can be moved; RabbitMQ's are worked off; no other broker is supported."""
    if transport == "redis":
        return
    if transport not in RABBITMQ:
        found.error(
            "broker_transport",
            f"Celery's broker is {transport}",
            "Redis, from which waiting tasks can be moved to Django-Q, or RabbitMQ",
            "This transport is not supported: drain the queues by hand and change the broker.",
        )
        return
    ready = sum(state["ready"] for state in celery["queues"].values())
    ready += celery["broker"].get("delayed") or 0
    scheduled = held(celery, "scheduled")
    last = max((item["eta"] for item in scheduled if item["eta"]), default=None)
    due = f", the last one due at {last}" if last else ""
    found.warning(
        "broker_transport",
        f"Celery's broker is RabbitMQ: {ready} messages wait, workers hold "
        f"{len(held(celery, 'active', 'reserved', 'scheduled'))}{due}",
        "Redis, from which waiting tasks can be moved to Django-Q; nothing can be moved from here",
        "Nothing, if this is meant: before the workers are stopped they run all of it, countdowns "
        f"too, for celery_drain_timeout ({timeout:g} s) at most. What outlives it ends the "
        "migration, which then goes back by itself.",
    )
    if ready:
        found.skip(
            f"the countdowns of {ready} messages that wait in RabbitMQ",
            "it tells how many there are and nothing about them",
        )


def judge_emptying(found: Judgement, celery: dict[str, Any], timeout: float) -> None:
    """Where nothing is moved, the workers can leave nothing: each queue has one, in time."""
    consumed = {name for names in (celery["consumed"] or {}).values() for name in names}
    for queue, state in sorted(celery["queues"].items()):
        if state["ready"] and queue not in consumed:
            found.error(
                "queue_not_consumed",
                f"{state['ready']} messages wait in Celery's queue {queue!r}, and no worker says "
                "that it takes from it",
                "a worker for each queue that holds something: nothing is moved, so that the "
                "workers have to leave all queues empty",
                "Start a worker for it, or purge the queue.",
            )
    late = [
        f"{item['task']} ({item['id']}) due at {item['eta']}"
        for item in held(celery, "scheduled")
        if seconds_until(item["eta"], celery["time"]) >= timeout
    ]
    if late:
        found.error(
            "countdown_outlives_drain",
            f"due later than celery_drain_timeout ({timeout:g} s) allows: {listed(late, 3)}",
            "countdowns that end while the workers drain: they are not moved",
            "Raise celery_drain_timeout, migrate after that time, or revoke them.",
        )


def judge_drain(found: Judgement, celery: dict[str, Any], settings: dict[str, Any]) -> None:
    """All rules about the end of the workers.

    Args:
        celery: what celery_state returned.
    """
    timeout = float(settings["drain"]["timeout"])
    transport = celery["broker"]["transport"]
    judge_longest(found, celery, timeout)
    judge_transport(found, celery, transport, timeout)
    if transport in RABBITMQ or (transport == "redis" and not settings["drain"]["move"]):
        judge_emptying(found, celery, timeout)


def judge_mounted(found: Judgement, mounted: bool, celery: dict[str, Any]) -> None:
    """Where code is mounted from the host, workers end before web is switched.

    Args:
        mounted: whether it is.
        celery: what celery_state returned, {} when it did not answer.
    """
    if mounted and (celery.get("broker") or {}).get("transport") in RABBITMQ:
        found.error(
            "code_mounted_with_rabbitmq",
            "the application's code is mounted into its containers, and the broker is RabbitMQ",
            "one of them: what web sends between the end of the workers and its own switch would "
            "have to be moved, and messages of RabbitMQ cannot be moved",
            "Take the mounts of code out of the Compose file, so that the image has it.",
        )
