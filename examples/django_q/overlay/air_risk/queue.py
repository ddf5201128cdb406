"""Enqueueing on Django-Q: queues of the application, delays exact to the poll."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone
from django_q.conf import Conf
from django_q.humanhash import uuid
from django_q.models import OrmQ
from django_q.signals import pre_enqueue
from django_q.signing import SignedPackage
from django_q.tasks import async_task

DEFAULT = "default"


def enqueue(
    func: str,
    *args: Any,
    queue: str = DEFAULT,
    countdown: float = 0.0,
    kwargs: dict[str, Any] | None = None,
) -> str:
    """Enqueue a function by its dotted name.

    A delayed task is a row of the queue whose lock ends when it is due: a cluster takes
    it at its next poll. (A schedule of type ONCE would wait for the scheduler's tick of
    30 s and takes literals only.)

    Args:
        func: dotted name of the function.
        args: its positional arguments.
        queue: a key of settings.TASK_CLUSTERS.
        countdown: seconds until the task is due.
        kwargs: its keyword arguments. async_task keeps some names for itself and would not pass
            them on (timeout, group, hook, save, cluster, …): a task must not use these.

    Returns:
        Django-Q's id of the task.

    Raises:
        KeyError: there is no such queue.
    """
    cluster = settings.TASK_CLUSTERS[queue]
    if countdown <= 0 or Conf.SYNC:
        q_options = {"cluster": cluster} if cluster else {}
        return async_task(func, *args, q_options=q_options, **(kwargs or {}))
    return _enqueue_locked(func, args, kwargs or {}, cluster, countdown)


def _enqueue_locked(
    func: str, args: tuple, kwargs: dict[str, Any], cluster: str | None, countdown: float
) -> str:
    """Insert the row that async_task would insert, locked until it is due."""
    name, task_id = uuid()
    now = timezone.now()
    task = {
        "id": task_id,
        "name": name,
        "func": func,
        "args": args,
        "kwargs": kwargs,
        "started": now,
    }
    if cluster:
        task["cluster"] = cluster
    if Conf.ACK_FAILURES:
        task["ack_failure"] = True
    pre_enqueue.send(sender="django_q", task=task)
    OrmQ.objects.using(Conf.ORM).create(
        key=cluster or Conf.CLUSTER_NAME,
        payload=SignedPackage.dumps(task),
        lock=now + timedelta(seconds=countdown),
    )
    return task_id
