# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Lets the workers fetch no more, and waits until none of them is about to begin a task.

A warm shutdown gives back to the queues what a worker has fetched and not acknowledged. A task that
was handed to a process of the pool in that very moment is among it: its acknowledgement is still
under way, so it runs and it is given back, and runs once more. So SIGTERM has to find no task
between the two. Runs in the container of a worker.

Params:
    celery_app: see `celery_state`.
    hosts: host names of the workers' containers; the workers of others are left alone.
    timeout: seconds; when they are over, SIGTERM has to be sent all the same.
"""

from __future__ import annotations

READS_ONLY = False

POLL_SECONDS = 0.3
# Seconds for the answers of workers, whose number is not known at first.
ANSWER_SECONDS = 2.0
# A process that is busy for so long is taken to be so for a moment more: a long task has not to end
# before SIGTERM is sent.
LONG_SECONDS = 5.0


def of_hosts(nodes, hosts: list[str]) -> list[str]:
    """The nodes (`celery@host`) that run on some hosts.

    Where they are named otherwise, they are all that answer if these are as many as the hosts;
    else there are others among them, which are nobody's business.
    """
    found = sorted(node for node in nodes if node.partition("@")[2] in hosts)
    return found or (sorted(nodes) if len(nodes) == len(hosts) else [])


def about_to_begin(active: list[dict], reserved: list[dict], processes: int, now: float) -> bool:
    """Whether a worker may begin a task in the next moment.

    Args:
        active: what it runs: {time_start, in seconds since the epoch, or None}.
        reserved: what it has fetched, is due and was not acknowledged.
        processes: of its pool.
        now: seconds since the epoch.
    """
    if not reserved:
        return False
    long = [
        item
        for item in active
        if item.get("time_start") and now - item["time_start"] >= LONG_SECONDS
    ]
    return len(long) < processes


def consumers(app, nodes: list[str] | None = None) -> dict[str, list[dict]]:
    """The queues that workers consume, by node; of all that answer, or of the named ones."""
    limit = len(nodes) if nodes else None
    inspect = app.control.inspect(destination=nodes, limit=limit, timeout=ANSWER_SECONDS)
    return inspect.active_queues() or {}


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, quiet (None: no worker answers), nodes: {node: [queue, …] that it consumed},
        seconds}
    """
    import time

    from ansible_collections.cutover.django_q.plugins.module_utils.app import celery_state

    start = time.monotonic()
    app = celery_state.application(params.get("celery_app", ""))
    answers = consumers(app, [f"celery@{host}" for host in params["hosts"]])
    if len(answers) < len(params["hosts"]):
        answers = consumers(app)
    nodes = of_hosts(answers, params["hosts"])
    report = {
        "changed": False,
        "quiet": None,
        "nodes": {node: [queue["name"] for queue in answers[node]] for node in nodes},
        "seconds": 0.0,
    }
    if not nodes:
        return report
    for node, queues in report["nodes"].items():
        for queue in queues:
            app.control.cancel_consumer(queue, destination=[node], reply=True, limit=1, timeout=5)
            report["changed"] = True
    inspect = app.control.inspect(destination=nodes, limit=len(nodes), timeout=ANSWER_SECONDS)
    processes = {
        node: answer.get("pool", {}).get("max-concurrency") or 1
        for node, answer in (inspect.stats() or {}).items()
    }
    while True:
        reserved, active = inspect.reserved() or {}, inspect.active() or {}
        report["quiet"] = all(
            node in active
            and not about_to_begin(
                active[node], reserved.get(node, []), processes.get(node, 1), time.time()
            )
            for node in nodes
        )
        report["seconds"] = round(time.monotonic() - start, 2)
        if report["quiet"] or report["seconds"] > params["timeout"]:
            return report
        time.sleep(POLL_SECONDS)


def fetch_again(app, consumed: dict[str, list[str]]) -> int:
    """Let workers that were made quiet and have not ended fetch again.

    Args:
        app: the Celery application.
        consumed: {node: [queue, …]} as it was before; a node of another name is another process.

    Returns:
        How many queues were added to a worker.
    """
    if not consumed:
        return 0
    answers = consumers(app, sorted(consumed))
    count = 0
    for node, queues in consumed.items():
        if node not in answers:
            continue
        known = {queue["name"] for queue in answers[node]}
        for queue in sorted(set(queues) - known):
            app.control.add_consumer(queue, destination=[node], reply=True, limit=1, timeout=5)
            count += 1
    return count
