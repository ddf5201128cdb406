"""Tasks of every kind, each of which writes down what it did in RUNS."""

import functools

from celery import Task, chain, current_task, group, shared_task
from django.db import transaction

RUNS = []


class Base(Task):
    def __call__(self, *args, **kwargs):
        RUNS.append(("around", self.name))
        return super().__call__(*args, **kwargs)

    def on_failure(self, exc, task_id, args, kwargs, einfo):
        RUNS.append(("failed", str(exc)))


class Late(Base):
    def apply_async(self, *args, **kwargs):
        transaction.on_commit(lambda: super(Late, self).apply_async(*args, **kwargs))


def logged(function):
    @shared_task
    @functools.wraps(function)
    def inner(*args, **kwargs):
        RUNS.append("logged")
        return function(*args, **kwargs)

    return inner


@shared_task
def bare():
    RUNS.append("bare")


@shared_task(ignore_result=True)
def plain(order, kind="mail"):
    RUNS.append(("plain", order, kind))
    return order


@shared_task(name="named")
def other(*args):
    RUNS.append(("other", *args))


@shared_task
def routed():
    RUNS.append("routed")


@shared_task
def reserved(timeout, group=None, task_name=None):
    RUNS.append(("reserved", timeout, group, task_name))


@shared_task(bind=True, max_retries=2)
def again(self, order):
    RUNS.append(("again", order, self.request.id, self.request.retries))
    raise self.retry(exc=OSError("away"), countdown=5)


@shared_task(autoretry_for=(KeyError,), retry_backoff=True, retry_jitter=False, max_retries=1)
def automatic():
    RUNS.append("automatic")
    raise KeyError("x")


@shared_task(bind=True)
def unbound(self, order):
    RUNS.append(("unbound", order))


@shared_task(base=Base, bind=True)
def based(self, order):
    RUNS.append(("based", order))
    raise ValueError("no")


@shared_task(base=Late)
def late(order):
    RUNS.append(("late", order))


@logged
def wrapped(order):
    RUNS.append(("wrapped", order, current_task.request.id is not None))


class Whole(Task):
    name = "mail.whole"

    def run(self, order):
        RUNS.append(("whole", order))


def send_all():
    plain.delay(1)
    plain.delay(2, kind="post")
    other.delay(3)
    routed.delay()
    reserved.delay(4, group="a", task_name="b")
    plain.apply_async(kwargs={"order": 5}, countdown=3600)
    unbound.delay(6)
    based.delay(7)
    late.delay(8)
    wrapped.delay(9)
    Whole().delay(10)
    chain(plain.s(11), plain.s(), plain.si(12)).delay()
    group(plain.s(n) for n in (13, 14))()
    again.delay(15)
    automatic.delay()
    transaction.on_commit(functools.partial(plain.delay, 16))
