# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Moves Django-Q's queued rows back to Celery, once each, after every qcluster has ended.

Runs in the old release (it has both packages), before a worker starts. Only rows that name a task
of the old release's Celery move; native rows stay for the old qcluster. The Celery id is made from
the row's own, so that a repeat finds in Redis what it has sent already.

Params:
    celery_app: see `celery_state`.
    names: {Celery's task name: dotted path} as the move forward used it.
    clusters: {Celery's queue: cluster}, "" is the default cluster.
    native: functions whose rows are Django-Q's own in spite of their name.
"""

from __future__ import annotations

READS_ONLY = False


def present(client, broker: dict) -> set[str]:
    """The ids of all messages that Redis holds, waiting or not acknowledged."""
    import json

    from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues

    ids = set()
    for queue in redis_queues.queue_names(client, broker):
        for key in redis_queues.keys_of(broker, queue):
            for where in (key, redis_queues.hold_of(broker, key)):
                for raw in client.lrange(where, 0, -1):
                    ids.add((json.loads(raw).get("headers") or {}).get("id"))
    for value in client.hvals(broker["key_prefix"] + broker["unacked_key"]):
        ids.add((json.loads(value)[0].get("headers") or {}).get("id"))
    return ids


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


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, moved, delayed, known (sent by an interrupted call before), native, unmovable:
        [{id, func, why}], seconds}
    """
    import time
    import uuid

    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        celery_broker,
        celery_state,
        django_q_state,
        redis_queues,
    )
    from django.db import transaction
    from django.utils import timezone
    from django_q.conf import Conf
    from django_q.models import OrmQ
    from django_q.signing import BadSignature, SignedPackage
    from django_q.utils import get_func_repr

    start = time.monotonic()
    report: dict = {"moved": 0, "delayed": 0, "known": 0, "native": 0, "unmovable": []}
    if not django_q_state.has_tables():
        return {**report, "changed": False, "seconds": 0.0}
    app = celery_state.application(params.get("celery_app", ""))
    paths = {params["names"].get(name, name): name for name in app.tasks}
    broker = celery_broker.run(params)
    seen: set[str] = set()
    if broker["transport"] == "redis":
        seen = present(redis_queues.connect(broker), broker)
    pks = list(OrmQ.objects.order_by("id").values_list("pk", flat=True))
    with app.connection_for_write() as connection:
        for pk in pks:
            with transaction.atomic():
                row = OrmQ.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
                if row is None:
                    continue
                try:
                    task = SignedPackage.loads(row.payload)
                except BadSignature:
                    report["unmovable"].append({"id": None, "func": None, "why": "bad signature"})
                    continue
                func = get_func_repr(task["func"])
                name = paths.get(func)
                if name is None or func in params["native"]:
                    report["native"] += 1
                    continue
                parts = [part for part in ("chain", "hook", "iter_count") if task.get(part)]
                if parts:
                    report["unmovable"].append(
                        {"id": task["id"], "func": func, "why": "it has a " + parts[0]}
                    )
                    continue
                task_id = str(uuid.UUID(task["id"]))
                eta = row.lock if row.lock and row.lock > timezone.now() else None
                if task_id in seen:
                    report["known"] += 1
                else:
                    app.send_task(
                        name,
                        args=task["args"],
                        kwargs=task["kwargs"],
                        task_id=task_id,
                        queue=queue_for(name, row.key, app, params["clusters"], Conf.PREFIX),
                        eta=eta,
                        retry=False,
                        connection=connection,
                    )
                    report["delayed" if eta else "moved"] += 1
                row.delete()
    report["seconds"] = round(time.monotonic() - start, 2)
    report["changed"] = bool(report["moved"] or report["delayed"] or report["known"])
    return report
