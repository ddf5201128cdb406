# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What the role `monitor` leaves on the host and shows: figures, limits, what is past a limit."""

from __future__ import annotations

from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.text_table import (
    percent,
    seconds,
    size,
    text_table,
)


def crossing(limit: str, found: str, expected: str, fix: str) -> dict[str, str]:
    """One crossed limit, in the form of a finding; `id` is the variable that holds the limit."""
    return {"id": limit, "level": "error", "found": found, "expected": expected, "fix": fix}


def crossed(metrics: dict[str, Any], limits: dict[str, Any]) -> list[dict[str, str]]:
    """Every limit that the figures are past.

    Args:
        metrics: what the script `metrics` returned. A figure that nobody can tell (None) is not
            past its limit; the table shows it as `-`.
        limits: {min_success_rate, max_overdue_schedules, max_connections_share, max_queue_age,
            min_clusters}.
    """
    found = []
    tasks = metrics["tasks"]
    if tasks["rate"] is not None and tasks["rate"] < limits["min_success_rate"]:
        failing = ", ".join(f"{item['func']} ({item['failed']})" for item in tasks["failing"])
        found.append(
            crossing(
                "monitor_min_success_rate",
                f"{percent(tasks['rate'])} of the tasks succeeded: {tasks['failed']} of "
                f"{tasks['failed'] + tasks['succeeded']} failed since {tasks['since'][:19]}: "
                + failing,
                f"at least {percent(limits['min_success_rate'])}",
                "Read their results: Django-Q's Failed tasks, or django_q_task where not success.",
            )
        )
    overdue = metrics["schedules"]["overdue"]
    if len(overdue) > limits["max_overdue_schedules"]:
        found.append(
            crossing(
                "monitor_max_overdue_schedules",
                f"{len(overdue)} overdue schedules: {', '.join(overdue)}",
                f"at most {limits['max_overdue_schedules']}",
                "Read the cluster's log: one bad row stops all schedules, and so does no cluster.",
            )
        )
    connections = metrics["connections"]
    if connections and connections["share"] > limits["max_connections_share"]:
        found.append(
            crossing(
                "monitor_max_connections_share",
                f"{connections['used']} connections are {percent(connections['share'])} of the "
                f"{connections['max'] - connections['reserved']} that PostgreSQL gives",
                f"at most {percent(limits['max_connections_share'])}",
                "Look at pg_stat_activity; lower the workers or CONN_MAX_AGE, or raise "
                "max_connections.",
            )
        )
    for queue in metrics["queues"]:
        if queue["oldest"] > limits["max_queue_age"]:
            found.append(
                crossing(
                    "monitor_max_queue_age",
                    f"the oldest of {queue['due']} due rows of the queue {queue['name']} has "
                    f"waited {seconds(queue['oldest'])}",
                    f"at most {seconds(limits['max_queue_age'])}",
                    "See whether a cluster serves this queue, and whether its workers are enough.",
                )
            )
    clusters = metrics["clusters"]
    if clusters["visible"] and len(clusters["rows"]) < limits["min_clusters"]:
        found.append(
            crossing(
                "monitor_min_clusters",
                f"{len(clusters['rows'])} clusters report",
                f"at least {limits['min_clusters']}",
                "Look at `docker compose ps` and at the log of the cluster's service.",
            )
        )
    return found


def memory_rows(containers: list[dict[str, Any]], before: dict[str, Any]) -> list[dict[str, Any]]:
    """Memory by container, now and before the migration.

    Args:
        containers: of the module `container_memory`.
        before: bytes by container name, of the manifest's `preflight.memory`; {} without one.
    """
    now = {item["name"]: item["memory"] for item in containers}
    return [
        {"container": name, "before": before.get(name), "now": now.get(name)}
        for name in sorted({*now, *before})
    ]


def monitor_document(
    metrics: dict[str, Any],
    containers: list[dict[str, Any]],
    limits: dict[str, Any],
    project: str = "",
    before: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """All of it as one document.

    Returns:
        {project, now, ok, crossed, limits, tasks, schedules, queues, clusters, connections,
        memory: {containers: [{container, before, now}], before, now}}; sizes in bytes.
    """
    rows = memory_rows(containers, before or {})
    found = crossed(metrics, limits)
    return {
        "project": project,
        "now": metrics["now"],
        "ok": not found,
        "crossed": found,
        "limits": limits,
        **{key: value for key, value in metrics.items() if key != "now"},
        "memory": {
            "containers": rows,
            "before": sum(row["before"] or 0 for row in rows) or None,
            "now": sum(row["now"] or 0 for row in rows),
        },
    }


def headline_rows(document: dict[str, Any]) -> list[list[Any]]:
    """The figures that have a limit: what, figure, limit, within it."""
    limits, tasks = document["limits"], document["tasks"]
    past = {item["id"] for item in document["crossed"]}
    connections = document["connections"] or {}
    oldest = max((queue["oldest"] for queue in document["queues"]), default=0.0)
    clusters = document["clusters"]
    figures = [
        (
            "tasks that succeeded",
            percent(tasks["rate"]),
            f">= {percent(limits['min_success_rate'])}",
            "monitor_min_success_rate",
        ),
        (
            "overdue schedules",
            len(document["schedules"]["overdue"]),
            f"<= {limits['max_overdue_schedules']}",
            "monitor_max_overdue_schedules",
        ),
        (
            "connections in use",
            percent(connections.get("share")),
            f"<= {percent(limits['max_connections_share'])}",
            "monitor_max_connections_share",
        ),
        (
            "oldest due row",
            seconds(oldest),
            f"<= {seconds(limits['max_queue_age'])}",
            "monitor_max_queue_age",
        ),
        (
            "clusters that report",
            len(clusters["rows"]) if clusters["visible"] else None,
            f">= {limits['min_clusters']}",
            "monitor_min_clusters",
        ),
    ]
    return [
        [what, figure, limit, "PAST" if variable in past else "ok"]
        for what, figure, limit, variable in figures
    ]


def monitor_text(document: dict[str, Any]) -> str:
    """The document as tables for a screen."""
    tasks, schedules = document["tasks"], document["schedules"]
    connections = document["connections"]
    facts = [
        f"tasks: {tasks['succeeded']} succeeded, {tasks['failed']} failed since "
        f"{tasks['since'][:19]}"
        + ("" if tasks["whole_window"] else f" (older successes pruned: {tasks['save_limit']})")
    ]
    if connections:
        facts.append(
            f"PostgreSQL: {connections['used']} of {connections['max']} connections, "
            f"{connections['own']} to this database, "
            f"{connections['idle_in_transaction']} idle in transaction"
        )
    if not document["clusters"]["visible"]:
        facts.append(f"clusters: not visible through {document['clusters']['cache']}")
    parts = [
        text_table(
            headline_rows(document),
            ["figure", "found", "limit", ""],
            f"{document['project']} at {document['now'][:19]}Z",
        ),
        "\n".join(facts),
        text_table(
            [
                [row["name"], row["due"], row["run"], (row["next_run"] or "")[:19], row["overdue"]]
                for row in schedules["rows"]
            ],
            ["schedule", "due", "run", "next run (UTC)", "overdue"],
            f"Schedules since {schedules['since'][:19]}: {schedules['run']} run of "
            f"{schedules['due']} due, {schedules['parked']} parked",
        ),
        text_table(
            [
                [row["name"], row["due"], row["later"], seconds(row["oldest"])]
                for row in document["queues"]
            ],
            ["queue", "due", "taken or later", "oldest"],
            "Queues with rows",
        ),
        text_table(
            [
                [row["host"], row["status"], row["workers"], row["queued"], seconds(row["uptime"])]
                for row in document["clusters"]["rows"]
            ],
            ["cluster on", "status", "workers", "in memory", "up"],
            "Clusters",
        ),
        text_table(
            [
                [row["container"], size(row["before"]), size(row["now"])]
                for row in document["memory"]["containers"]
            ]
            + [["all", size(document["memory"]["before"]), size(document["memory"]["now"])]],
            ["container", "before", "now"],
            "Memory",
        ),
    ]
    return "\n\n".join(parts)
