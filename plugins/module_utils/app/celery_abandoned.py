# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Messages in Redis that a killed worker had fetched and not acknowledged.

These are the ones that it had fetched in advance, and all that wait for their time. They stay with
a worker that is no more, and Celery itself gives them back after the visibility timeout only, an
hour by default. A worker that lost its connection has forgotten those of before too. Runs where
Celery is installed; workers may run meanwhile.
"""

from __future__ import annotations

BATCH = 500


def moment_of(text: str) -> float:
    """A moment of Docker's (RFC 3339 in UTC, to the nanosecond) in whole seconds of the epoch."""
    from datetime import datetime, timezone

    return (
        datetime.strptime(text[:19], "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc).timestamp()
    )


def leads_nowhere(channel, value) -> bool:
    """Whether the exchange and the routing key of an unacknowledged message lead to no queue."""
    import json

    _message, exchange, routing_key = json.loads(value)
    return not channel._lookup(exchange, routing_key)


def give_back(app, before: str) -> dict:
    """Give them back to their queues; what leads to no queue stays.

    Args:
        app: the Celery application.
        before: RFC 3339 in UTC; what was fetched earlier belongs to no worker that lives, over no
            connection that does. "" gives nothing back.

    Returns:
        {returned, kept}: how many.
    """
    report = {"returned": 0, "kept": 0}
    with app.connection_for_write() as connection:
        if connection.transport.driver_type != "redis" or not before:
            return report
        channel = connection.default_channel
        client = channel.client
        # What an exchange leads to is known to a channel that has declared it, as a worker's has.
        for queue in app.amqp.queues.values():
            queue(channel).declare()
        while True:
            tags = client.zrevrangebyscore(
                channel.unacked_index_key,
                f"({moment_of(before)}",
                0,
                start=report["kept"],
                num=BATCH,
            )
            if not tags:
                return report
            for tag in (tag.decode() if isinstance(tag, bytes) else tag for tag in tags):
                value = client.hget(channel.unacked_key, tag)
                if value is not None and leads_nowhere(channel, value):
                    report["kept"] += 1
                    continue
                # One transaction, which does nothing where a worker acknowledged it meanwhile.
                channel.qos.restore_by_tag(tag, client)
                report["returned"] += value is not None
