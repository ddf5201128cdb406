# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Moves Django-Q's queued rows back to Celery, once each, after every qcluster has ended.

Runs in the old release (it has both packages). Only rows that name a task of the old release's
Celery move; native rows stay for the old qcluster. In Redis a message and the mark that it was sent
are written in one step, so that a repeat does not send it again, although a worker may have taken
it since: workers may run meanwhile. For RabbitMQ see `once_in_rabbitmq`.

Params:
    run_id: the run, whose ledger says what the move forward stored.
    celery_app: see `celery_state`.
    names: {Celery's task name: dotted path} as the move forward used it.
    clusters: {Celery's queue: cluster}, "" is the default cluster.
    native: functions whose rows are Django-Q's own in spite of their name.
    abandoned_before: see `celery_abandoned`.
"""

from __future__ import annotations

READS_ONLY = False

BATCH = 200
SENT = "cutover:sent:"
# Adds an id to a set and, if it is new there, a message to a list.
SEND_ONCE = """
if redis.call('SADD', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('LPUSH', KEYS[2], ARGV[2])
return 1
"""


class OnceInRedis:
    """Sends a message and marks it as sent in one step of Redis."""

    def __init__(self, app, connection, broker: dict, run_id: str) -> None:
        from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues

        self.client = redis_queues.connect(broker)
        self.prefix = broker["key_prefix"]
        self.sent = self.prefix + SENT + run_id
        self.script = self.client.register_script(SEND_ONCE)
        self.channel = connection.default_channel
        # What a transport does with a message that has found its queue.
        self.channel._put = self._put
        self.app = app
        self.new = False

    def _put(self, queue: str, message: dict, **_options) -> None:
        from kombu.utils.json import dumps

        priority = self.channel._get_message_priority(message, reverse=False)
        key = self.prefix + self.channel._q_for_pri(queue, priority)
        task_id = message["headers"]["id"]
        self.new = bool(self.script(keys=[self.sent, key], args=[task_id, dumps(message)]))

    def send(self, name: str, **options) -> bool:
        """Send a task; False where an interrupted call had sent it."""
        with self.app.amqp.Producer(self.channel, auto_declare=False) as producer:
            self.app.send_task(name, producer=producer, retry=False, **options)
        return self.new

    def done(self) -> None:
        """Forget what was sent: no row is left that could be sent again."""
        self.client.delete(self.sent)


def sender_for(app, connection, broker: dict, params: dict):
    """What sends once each through a broker: `send` and `done`.

    Raises:
        SystemExit: it is neither Redis nor RabbitMQ.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import once_in_rabbitmq

    if broker["transport"] == "redis":
        return OnceInRedis(app, connection, broker, params["run_id"])
    if broker["transport"] == "amqp":
        queues = sorted({*broker["queues"], *params["clusters"]})
        return once_in_rabbitmq.OnceInRabbitmq(app, queues)
    raise SystemExit(
        f"Celery's broker is {broker['transport']}; expected Redis or RabbitMQ. What is queued in "
        "Django-Q stays there: let a qcluster finish it."
    )


def paths_of(app, names: dict[str, str]) -> dict[str, str]:
    """{dotted path of a function: Celery's name of its task}.

    Args:
        names: {Celery's name: dotted path}; the others are found where their function stands.
    """
    paths = {}
    for name, task in app.tasks.items():
        if name.startswith("celery."):
            continue
        paths[f"{type(task).__module__}.{type(task).__name__}"] = name
        paths[name] = name
    return {**paths, **{path: name for name, path in names.items() if name in app.tasks}}


def queues_by_cluster(clusters: dict[str, str]) -> dict[str, list[str]]:
    """{cluster: Celery's queues that it served}."""
    found: dict[str, list[str]] = {}
    for queue, cluster in clusters.items():
        found.setdefault(cluster, []).append(queue)
    return found


def queue_for(task: str, key: str, app, clusters: dict[str, str], prefix: str) -> str:
    """The queue to which a row goes: the task's own, if its cluster served it."""
    from ansible_collections.cutover.django_q.plugins.module_utils.app import celery_state

    own = celery_state.queue_of(app, task)
    served = queues_by_cluster(clusters).get("" if key == prefix else key, [])
    return own if own in served or not served else served[0]


def chain_of(steps: list, paths: dict[str, str], app) -> list | None:
    """The steps that follow a task, as Celery keeps them in its message: the next one last.

    Args:
        steps: (path, args, kwargs) or (path, args, kwargs, True) for a step that takes the result
            of the one before: what `enqueue_chain` of celery2q's helper leaves in a row.

    Returns:
        Signatures; None where a step is no task of the old release.
    """
    if any(step[0] not in paths for step in steps):
        return None
    return [
        app.signature(paths[path], args=args, kwargs=kwargs, immutable=not (takes and takes[0]))
        for path, args, kwargs, *takes in reversed(steps)
    ]


def message_of(row, paths: dict[str, str], native: list[str], app) -> dict:
    """What becomes of a row.

    Returns:
        {name, id, args, kwargs, eta, retries, chain} of a message; {native: True}; or
        {id, func, why} of a row that cannot go back.
    """
    import uuid

    from django.utils import timezone
    from django_q.signing import BadSignature, SignedPackage
    from django_q.utils import get_func_repr

    try:
        task = SignedPackage.loads(row.payload)
    except BadSignature:
        return {"id": None, "func": None, "why": "bad signature"}
    func = get_func_repr(task["func"])
    name = paths.get(func)
    if name is None or func in native:
        return {"native": True}
    parts = [part for part in ("chain", "hook", "iter_count") if task.get(part)]
    chain = chain_of(task.get("then") or [], paths, app)
    if chain is None:
        parts.append("step that the old release has no task for")
    if parts:
        return {"id": task["id"], "func": func, "why": "it has a " + parts[0]}
    return {
        "name": name,
        "id": str(uuid.UUID(task["id"])),
        "args": task["args"],
        "kwargs": task["kwargs"],
        "eta": row.lock if row.lock and row.lock > timezone.now() else None,
        "retries": task.get("retries", 0),
        "chain": chain or None,
    }


def stored_ids(run_id: str) -> set[str]:
    """The ids of the messages that the move forward has stored."""
    from ansible_collections.cutover.django_q.plugins.module_utils.app import moves
    from django.db import connection

    if moves.TABLE not in connection.introspection.table_names():
        return set()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT celery_id FROM {moves.TABLE} WHERE run_id = %s", [run_id])
        return {row[0] for row in cursor.fetchall()}


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, moved, delayed, known (sent by an interrupted call before), native, returned
        (what an interrupted move forward had claimed), abandoned (see `celery_abandoned`),
        unmovable: [{id, func, why}], seconds,
        peak_memory (of this process, bytes)}
    """
    import resource
    import time

    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        celery_abandoned,
        celery_broker,
        celery_state,
        django_q_state,
        redis_queues,
    )
    from django.db import transaction
    from django_q.conf import Conf
    from django_q.models import OrmQ

    start = time.monotonic()
    report: dict = {"moved": 0, "delayed": 0, "known": 0, "native": 0, "returned": 0}
    report["unmovable"] = []
    if not django_q_state.has_tables():
        return {**report, "changed": False, "seconds": 0.0}
    app = celery_state.application(params.get("celery_app", ""))
    report["abandoned"] = celery_abandoned.give_back(app, params.get("abandoned_before", ""))
    paths = paths_of(app, params["names"])
    broker = celery_broker.run(params)
    if broker["transport"] == "redis":
        client = redis_queues.connect(broker)
        report["returned"] = redis_queues.return_held(client, broker, stored_ids(params["run_id"]))
    pks = list(OrmQ.objects.using(Conf.ORM).order_by("id").values_list("pk", flat=True))
    with app.connection_for_write() as connection:
        sender = sender_for(app, connection, broker, params)
        for begin in range(0, len(pks), BATCH):
            with transaction.atomic(using=Conf.ORM):
                rows = OrmQ.objects.using(Conf.ORM).select_for_update(skip_locked=True)
                gone = []
                for row in rows.filter(pk__in=pks[begin : begin + BATCH]).order_by("id"):
                    found = message_of(row, paths, params["native"], app)
                    if "native" in found:
                        report["native"] += 1
                    elif "why" in found:
                        report["unmovable"].append(found)
                    else:
                        queue = queue_for(
                            found["name"], row.key, app, params["clusters"], Conf.PREFIX
                        )
                        new = sender.send(
                            found["name"],
                            args=found["args"],
                            kwargs=found["kwargs"],
                            task_id=found["id"],
                            queue=queue,
                            eta=found["eta"],
                            retries=found["retries"],
                            chain=found["chain"],
                        )
                        outcome = "delayed" if found["eta"] else "moved"
                        report[outcome if new else "known"] += 1
                        gone.append(row.pk)
                OrmQ.objects.using(Conf.ORM).filter(pk__in=gone).delete()
        sender.done()
    report["seconds"] = round(time.monotonic() - start, 2)
    report["peak_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report["changed"] = any(report[key] for key in ("moved", "delayed", "known", "returned"))
    report["changed"] |= report["abandoned"]["returned"] > 0
    return report
