# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Sends a probe task through every cluster and reads from Django-Q's records what became of it.

It is meant for the container of the service that takes requests: the way that a user's task goes.

Params:
    task: dotted path of an importable function.
    args: its positional arguments, a list.
    clusters: names; one probe each; "" is the cluster that `async_task` takes by itself.
    timeout: seconds in which all of them have to succeed.
"""

from __future__ import annotations

import time

READS_ONLY = False

# What can become of a probe.
OUTCOMES = {
    "success": "a record says that it ran",
    "busy": "it waits behind other tasks, some of which the cluster has run meanwhile",
    "failure": "a record says that it raised",
    "timeout": "it is still in the queue; the row was taken back",
    "running": "a worker took it and has not ended it in time",
    "gone": "it left the queue and no record was kept, more than once",
    "no_cluster": "Q_CLUSTER does not name the cluster",
    "not_importable": "the function cannot be imported in this container",
    "sync": "Q_CLUSTER runs tasks in the caller's process: no cluster would see it",
    "not_queued": "the broker refused it",
}

# Seconds between two looks at the records, and how often a probe without a record is repeated.
POLL = 0.1
TRIES = 3
# Seconds after which a cluster that has run others meanwhile need not run the probe itself: a
# backlog may last for hours.
PATIENCE = 10.0
# What a queue that works shows of a probe.
GOOD = ("success", "busy")


def outcome_of(
    in_queue: str | None, record: dict | None, waited: float = 0.0, others: int = 0
) -> str | None:
    """What is known of a probe by now.

    Args:
        in_queue: "due", "taken" or "gone", read BEFORE the record: the cluster writes the record
            and then deletes the row, so that a row that is gone has its record already. None
            when the broker cannot tell.
        record: {"success": bool, "error": str} from Django-Q's table of tasks, or None.
        waited: seconds since it was queued.
        others: tasks that the cluster has run with success since then.

    Returns:
        "success", "failure", "gone", "busy", or None while it is under way.
    """
    if record is not None:
        return "success" if record["success"] else "failure"
    if in_queue == "due" and waited >= PATIENCE and others:
        return "busy"
    return "gone" if in_queue == "gone" else None


def late_outcome(in_queue: str | None) -> str:
    """What to call a probe whose time is over, from its row's last state."""
    return "running" if in_queue == "taken" else "timeout"


def shortened(text: object, limit: int = 600) -> str:
    """The end of an error's text, where a traceback names the exception."""
    text = str(text or "").strip()
    return text if len(text) <= limit else "… " + text[-limit:]


def known_clusters(conf: dict, name: str) -> set[str]:
    """The names that `async_task(cluster=…)` may be given, after Q_CLUSTER.

    Args:
        conf: settings.Q_CLUSTER.
        name: the name of the cluster that this process takes by itself.
    """
    alternatives = conf.get("ALT_CLUSTERS") or {}
    return {str(name), str(conf.get("name", "default")), *(str(key) for key in alternatives)}


class Probe:
    """One probe, from its queueing to its record."""

    def __init__(self, cluster: str, task: str, args: list) -> None:
        self.cluster, self.task, self.args = cluster, task, args
        self.queue, self.task_id, self.row = None, None, None
        self.outcome, self.error, self.seconds, self.tries = None, "", None, 0
        self.started = time.monotonic()
        self.sent_at = None

    def send(self) -> None:
        """Queue it; the row's key is learnt from the broker, which `async_task` does not tell."""
        from django.db import Error as DatabaseError
        from django.utils import timezone
        from django_q.brokers import get_broker
        from django_q.brokers.orm import ORM
        from django_q.tasks import async_task

        broker = get_broker(self.cluster or None)
        pushed = []
        enqueue = broker.enqueue

        def enqueue_and_tell(package):
            pushed.append(enqueue(package))
            return pushed[-1]

        broker.enqueue = enqueue_and_tell
        # Kept whatever save_limit and cached say, and never retried.
        options = {
            "broker": broker,
            "save": True,
            "cached": False,
            "ack_failure": True,
            "group": "cutover-probe",
        }
        if self.cluster:
            options["cluster"] = self.cluster
        self.tries += 1
        self.sent_at = timezone.now()
        try:
            self.task_id = async_task(self.task, *self.args, q_options=options)
        except DatabaseError as error:
            self.outcome, self.error = "not_queued", shortened(f"{type(error).__name__}: {error}")
            return
        self.queue = broker.list_key
        self.row = pushed[0] if pushed and isinstance(broker, ORM) else None

    def in_queue(self) -> str | None:
        """ "due", "taken" or "gone"; None when the broker is not the database."""
        if self.row is None:
            return None
        from django.utils import timezone
        from django_q.conf import Conf
        from django_q.models import OrmQ

        lock = OrmQ.objects.using(Conf.ORM).filter(pk=self.row).values_list("lock", flat=True)
        found = list(lock)
        if not found:
            return "gone"
        return "due" if found[0] and found[0] <= timezone.now() else "taken"

    def record(self) -> dict | None:
        """What Django-Q's table of tasks says, or None."""
        from django.db import router
        from django_q.models import Task

        tasks = Task.objects.using(router.db_for_write(Task)).filter(id=self.task_id)
        for success, result in tasks.values_list("success", "result"):
            return {"success": success, "error": "" if success else shortened(result)}
        return None

    def others(self) -> int:
        """How many other tasks the cluster has run with success since the probe was sent."""
        from django.db import router
        from django.db.models import Q
        from django_q.models import Task

        mine = Q(cluster=self.queue)
        if not self.cluster:
            mine |= Q(cluster=None)
        tasks = Task.objects.using(router.db_for_write(Task)).filter(mine)
        return tasks.filter(success=True, stopped__gt=self.sent_at).count()

    def look(self) -> None:
        """Look once; sends it again when no record was kept."""
        in_queue = self.in_queue()
        record = self.record()
        waited = time.monotonic() - self.started
        others = self.others() if waited >= PATIENCE and in_queue == "due" else 0
        outcome = outcome_of(in_queue, record, waited, others)
        if outcome == "gone" and self.tries < TRIES:
            self.send()
            return
        if outcome:
            self.outcome = outcome
            self.error = (record or {}).get("error", "")
            self.seconds = round(waited, 3)
        if outcome == "busy":
            self.take_back()

    def give_up(self) -> None:
        """Its time is over: take its row back unless a worker has it."""
        in_queue = self.in_queue()
        self.outcome = late_outcome(in_queue)
        self.seconds = round(time.monotonic() - self.started, 3)
        if in_queue == "due":
            self.take_back()

    def take_back(self) -> None:
        """Delete its row unless a worker has taken it."""
        from django.utils import timezone
        from django_q.conf import Conf
        from django_q.models import OrmQ

        rows = OrmQ.objects.using(Conf.ORM).filter(pk=self.row, lock__lte=timezone.now())
        rows.delete()

    def told(self) -> dict:
        """The probe as a part of the result."""
        return {
            "cluster": self.cluster,
            "queue": self.queue,
            "task_id": self.task_id,
            "outcome": self.outcome,
            "seconds": self.seconds,
            "error": self.error,
        }


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, save_limit, probes: [{cluster, queue, task_id, outcome (of `OUTCOMES`), seconds,
        error}]}
    """
    import pydoc

    from django.conf import settings
    from django_q.conf import Conf

    probes = [Probe(name, params["task"], params["args"]) for name in params["clusters"]]
    known = known_clusters(getattr(settings, "Q_CLUSTER", {}), Conf.CLUSTER_NAME)
    try:
        importable = pydoc.locate(params["task"]) is not None
        error = ""
    except pydoc.ErrorDuringImport as failure:
        importable, error = False, shortened(failure)
    for probe in probes:
        if not importable:
            probe.outcome, probe.error = "not_importable", error
        elif Conf.SYNC:
            probe.outcome = "sync"
        elif probe.cluster and probe.cluster not in known:
            probe.outcome, probe.error = "no_cluster", "known: " + ", ".join(sorted(known))
        else:
            probe.send()
    deadline = time.monotonic() + params["timeout"]
    while any(probe.outcome is None for probe in probes):
        late = time.monotonic() >= deadline
        for probe in probes:
            if probe.outcome is None:
                probe.look()
            if probe.outcome is None and late:
                probe.give_up()
        time.sleep(POLL)
    return {
        "changed": any(probe.task_id for probe in probes),
        "probes": [probe.told() for probe in probes],
        "save_limit": Conf.SAVE_LIMIT,
    }
