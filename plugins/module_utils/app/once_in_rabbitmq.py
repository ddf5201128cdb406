# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Sends messages to RabbitMQ once each, although it keeps no mark of what it was sent.

A message goes into a queue of this project's own first, which no worker takes from: what stands in
there has been sent, whoever looks and whenever. Once every row that it was made of is gone, it goes
on into Celery's queue, by a transaction of RabbitMQ that takes it out of the one and puts it into
the other. So a repeat after a crash sends nothing twice, and workers may run meanwhile.

RabbitMQ does such a transaction whole or not at all when its client dies. When the server itself
dies in it, within milliseconds, it may do a part of it.
"""

from __future__ import annotations

BACK = "cutover.back."
# Messages in one transaction.
BATCH = 20


class OnceInRabbitmq:
    """Sends tasks through RabbitMQ.

    Args:
        app: the Celery application.
        queues: names of the queues that something may be sent to.
    """

    def __init__(self, app, queues: list[str]) -> None:
        self.app = app
        self.queues = queues
        # The call returns when RabbitMQ has the message.
        self.connection = app.connection_for_write(transport_options={"confirm_publish": True})
        self.connection.ensure_connection(max_retries=1, timeout=10)
        self.sent = {task_id for queue in queues for task_id in self._ids(BACK + queue)}

    def _ids(self, name: str) -> list[str]:
        """The ids of the messages in a queue that no worker takes from; they stay in it."""
        from ansible_collections.cutover.django_q.plugins.module_utils.app import amqp_queues

        if amqp_queues.depth(self.connection, name) is None:
            return []
        ids = []
        channel = self.connection.channel()
        while True:
            message = channel.basic_get(name)
            if message is None:
                break
            ids.append(message.properties["application_headers"]["id"])
        # What was not acknowledged goes back to its place.
        channel.close()
        return ids

    def send(self, name: str, *, queue: str, task_id: str, **options) -> bool:
        """Send a task; False where an interrupted call had sent it.

        Args:
            name: Celery's name of it.
            queue: of the names that were given.
            options: of `send_task`.

        Raises:
            ValueError: the queue is none of them, so that nothing would take it on.
        """
        from kombu import Exchange, Queue

        if queue not in self.queues:
            raise ValueError(f"the queue {queue!r} is none of {', '.join(self.queues)}")
        if task_id in self.sent:
            return False
        # Durable, and reached through the default exchange.
        place = Queue(BACK + queue, exchange=Exchange(""), routing_key=BACK + queue)
        with self.app.amqp.Producer(self.connection, auto_declare=False) as producer:
            self.app.send_task(
                name, task_id=task_id, queue=place, producer=producer, retry=False, **options
            )
        self.sent.add(task_id)
        return True

    def done(self) -> None:
        """No row is left that could be sent again: let the messages go where workers take them."""
        for queue in self.queues:
            self._release(queue)
        self.connection.release()

    def _release(self, queue: str) -> None:
        """Move the messages of one queue on, in their order, and take this project's queue away."""
        from amqp import Message
        from ansible_collections.cutover.django_q.plugins.module_utils.app import amqp_queues

        if amqp_queues.depth(self.connection, BACK + queue) is None:
            return
        # Without confirmations: a channel has these or transactions.
        with self.app.connection_for_write(transport_options={"confirm_publish": False}) as link:
            # What is sent to a queue that is not there is dropped without a word.
            self.app.amqp.queues[queue].bind(link.default_channel).declare()
            channel = link.channel()
            channel.tx_select()
            while True:
                moved = 0
                while moved < BATCH:
                    message = channel.basic_get(BACK + queue)
                    if message is None:
                        break
                    channel.basic_publish(
                        Message(message.body, **message.properties), exchange="", routing_key=queue
                    )
                    channel.basic_ack(message.delivery_tag)
                    moved += 1
                channel.tx_commit()
                if moved < BATCH:
                    break
            channel.queue_delete(BACK + queue, if_empty=True)
