# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What the role `verify` shows of what it has read."""

from __future__ import annotations

from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.text_table import (
    seconds,
    text_table,
)
from ansible_collections.cutover.django_q.plugins.module_utils.verify_findings import containers_of


def probe_rows(probe: dict[str, Any], task: str) -> list[list[Any]]:
    """A row a probe: cluster, function, outcome, seconds."""
    return [
        [item["cluster"] or "(default)", task, item["outcome"], seconds(item["seconds"])]
        for item in probe.get("probes") or []
    ]


def schedule_rows(parity: dict[str, Any]) -> list[list[Any]]:
    """A row a schedule: name, status, what it is now, next firing, note."""
    now = {row["name"]: row for row in parity["rows"]}
    rows = []
    for item in parity["schedules"]:
        row = now.get(item["name"]) or {}
        following = (row.get("next") or [""])[0][:16].replace("T", " ")
        rows.append([item["name"], item["status"], row.get("spec"), following, item["note"]])
    return rows


def verify_text(seen: dict[str, Any]) -> str:
    """What was read, as tables; see `verify_findings.verify_findings` for its form."""
    services = seen["second"]["services"]
    return "\n\n".join(
        [
            text_table(
                probe_rows(seen["probe"], seen["task"]),
                ["cluster", "function", "outcome", "took"],
                "Probes",
            ),
            text_table(
                schedule_rows(seen["parity"]),
                ["schedule", "against before", "now", "next (UTC)", "note"],
                "Schedules",
            ),
            text_table(
                [
                    [name, item["state"], item["health"], item["restart_count"]]
                    for name in sorted(services)
                    for item in containers_of(services, name)
                ],
                ["service", "state", "health", "restarts"],
                "Containers",
            ),
        ]
    )
