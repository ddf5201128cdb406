# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Celery's queues in RabbitMQ, which tells how many messages wait and nothing about them.

A message that a worker holds (it runs with late acknowledgement, it was prefetched, its countdown
is not over) is not counted here; it comes back into its queue when the worker ends.
"""

from __future__ import annotations

# Names of the queues in which RabbitMQ itself delays messages, where quorum queues are used.
DELAYED = "celery_delayed_{}"
DELAYED_LEVELS = 28


def depth(connection, name: str) -> tuple[int, int] | None:
    """(messages that wait, consumers) of a queue; None when there is no such queue.

    Args:
        connection: kombu's.
    """
    # A failed declaration closes its channel.
    channel = connection.channel()
    try:
        declared = channel.queue_declare(name, passive=True)
    except connection.channel_errors:
        return None
    finally:
        if channel.is_open:
            channel.close()
    return declared.message_count, declared.consumer_count


def delayed_names(connection) -> list[str]:
    """The queues of delayed messages, if the broker has them: all of them or none."""
    if depth(connection, DELAYED.format(0)) is None:
        return []
    return [DELAYED.format(level) for level in range(DELAYED_LEVELS)]


def waiting(connection, names: list[str]) -> list[dict]:
    """What the queues hold, and who still takes from them.

    Args:
        names: the application's queues.

    Returns:
        [{queue, messages, consumers}] of those that are there, the delayed ones too.
    """
    found = []
    for name in [*names, *delayed_names(connection)]:
        seen = depth(connection, name)
        if seen:
            found.append({"queue": name, "messages": seen[0], "consumers": seen[1]})
    return found
