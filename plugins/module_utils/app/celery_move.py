# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Moves what is left in Redis over to Django-Q, once each, after the last worker has ended.

For each message: claimed into a hold list (LMOVE), stored in one transaction (the ledger's row and
the queue's row), removed from the hold list. A crash between two of these steps is mended by the
next call: what is in a hold list comes first, what the ledger knows is not stored again.

Params:
    run_id: the run.
    broker: what `celery_broker` returned.
    names: {Celery's task name: dotted path}; {} takes the file beside the settings.
    clusters: {Celery's queue: cluster}, "" is the default cluster.
    export: also return what cannot be moved as it stands in Redis, for a file (`celery_drop`
        removes it afterwards). It is given back to its queue in any case.
"""

from __future__ import annotations

READS_ONLY = False

BATCH = 200


def claim(client, key: str, hold: str, count: int) -> list[bytes]:
    """The messages of a hold list, filled up from its queue to `count`, the next one first."""
    held = client.llen(hold)
    for _ in range(count - held):
        if client.lmove(key, hold, "RIGHT", "LEFT") is None:
            break
    # The right end of a list is the one that is consumed next.
    return list(reversed(client.lrange(hold, 0, -1)))


def prepare(raw: bytes, queue: str, params: dict, names: dict[str, str], now) -> dict:
    """A message as what is stored: {message, queue, cluster, func, args, kwargs, eta, expired}.

    Raises:
        Unmovable: it stays with Celery.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues
    from django.utils.module_loading import import_string

    message = redis_queues.decode(raw)
    redis_queues.check_movable(message, set(params["broker"]["tasks"]))
    if queue not in params["clusters"]:
        raise redis_queues.Unmovable("no cluster serves its queue", message)
    func = names.get(message["task"], message["task"])
    try:
        import_string(func)
    except ImportError:
        raise redis_queues.Unmovable(f"the target has no function {func}", message) from None
    eta, expires = redis_queues.moment(message["eta"]), redis_queues.moment(message["expires"])
    return {
        "message": message,
        "queue": queue,
        "cluster": params["clusters"][queue],
        "func": func,
        "args": tuple(redis_queues.plain(message["args"])),
        "kwargs": redis_queues.plain(message["kwargs"]),
        "eta": eta if eta and eta > now else None,
        "expired": bool(expires and expires <= now),
    }


def store(items: list[dict], run_id: str, now) -> dict[str, int]:
    """Write a batch into the ledger and into Django-Q's queue, in one transaction.

    Returns:
        How many were moved, delayed, expired, known already.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import moves
    from django.db import connection, transaction
    from django_q.conf import Conf
    from django_q.models import OrmQ
    from django_q.signing import SignedPackage

    counts = {"moved": 0, "delayed": 0, "expired": 0, "known": 0}
    rows = []
    with transaction.atomic(), connection.cursor() as cursor:
        for item in items:
            message = item["message"]
            outcome = "expired" if item["expired"] else "delayed" if item["eta"] else "moved"
            cursor.execute(
                f"INSERT INTO {moves.TABLE} (run_id, celery_id, task, queue, outcome, eta) "
                "VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [run_id, message["id"], message["task"], item["queue"], outcome, item["eta"]],
            )
            if cursor.rowcount == 0:
                counts["known"] += 1
                continue
            counts[outcome] += 1
            if item["expired"]:
                continue
            key = item["cluster"] or Conf.PREFIX
            task = {
                "id": message["id"].replace("-", ""),
                "name": message["id"],
                "func": item["func"],
                "args": item["args"],
                "kwargs": item["kwargs"],
                "started": now,
                "cluster": key,
            }
            # Read by the helper of celery2q; Django-Q2 itself passes it over.
            if message["retries"]:
                task["retries"] = message["retries"]
            if message["time_limit"]:
                task["timeout"] = message["time_limit"]
            if Conf.ACK_FAILURES:
                task["ack_failure"] = Conf.ACK_FAILURES
            rows.append(OrmQ(key=key, payload=SignedPackage.dumps(task), lock=item["eta"] or now))
        OrmQ.objects.using(Conf.ORM).bulk_create(rows)
    return counts


def move_key(
    client, key: str, queue: str, params: dict, names: dict[str, str], report: dict
) -> None:
    """Move one list of one queue, batch by batch, in bounded memory."""
    from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues
    from django.utils import timezone

    broker = params["broker"]
    hold = redis_queues.hold_of(broker, key)
    refused_key = redis_queues.refused_of(hold)
    while True:
        batch = claim(client, key, hold, BATCH)
        if not batch:
            break
        now = timezone.now()
        items, refused = [], []
        for raw in batch:
            try:
                items.append(prepare(raw, queue, params, names, now))
            except redis_queues.Unmovable as error:
                known = error.args[1] if len(error.args) > 1 else {}
                if not known:
                    try:
                        known = redis_queues.decode(raw)
                    except redis_queues.Unmovable:
                        known = {"id": None, "task": None}
                refused.append(raw)
                report["unmovable"].append(
                    {
                        "id": known["id"],
                        "task": known["task"],
                        "queue": queue,
                        "why": error.args[0],
                        **(redis_queues.exported(raw) if params.get("export") else {}),
                    }
                )
        for name, count in store(items, params["run_id"], now).items():
            report[name] += count
        report["expired_ids"] += [item["message"]["id"] for item in items if item["expired"]]
        with client.pipeline(transaction=True) as pipe:
            for raw in refused:
                pipe.lpush(refused_key, raw)
            pipe.delete(hold)
            pipe.execute()
    # Back to the end from which they are consumed next, in their order.
    while client.lmove(refused_key, key, "LEFT", "RIGHT"):
        pass


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, moved, delayed, expired, known (stored by an interrupted call before), adopted
        (unacknowledged), unmovable: [{id, task, queue, why}, with `export` also what
        `redis_queues.exported` returns], expired_ids, left: {queue: n}, seconds, peak_memory (of
        this process, bytes)}
    """
    import resource
    import time

    from ansible_collections.cutover.django_q.plugins.module_utils.app import moves, redis_queues
    from django.db import connection

    start = time.monotonic()
    broker = params["broker"]
    if broker["transport"] != "redis":
        raise SystemExit(
            f"Messages of the broker {broker['transport']} cannot be moved, only those of Redis: "
            "let the workers drain the queues to empty before they are stopped."
        )
    names = params.get("names") or moves.task_names()
    client = redis_queues.connect(broker)
    with connection.cursor() as cursor:
        cursor.execute(moves.CREATE_TABLE)
    report: dict = {
        "moved": 0,
        "delayed": 0,
        "expired": 0,
        "known": 0,
        "unmovable": [],
        "expired_ids": [],
    }
    report["adopted"] = redis_queues.adopt_unacknowledged(client, broker)
    for queue in redis_queues.queue_names(client, broker):
        for key in redis_queues.keys_of(broker, queue):
            move_key(client, key, queue, params, names, report)
    report["left"] = redis_queues.lengths(client, broker)
    report["seconds"] = round(time.monotonic() - start, 2)
    report["peak_memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report["changed"] = any(report[name] for name in ("moved", "delayed", "expired", "adopted"))
    return report
