# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What a run did, before and after, from its manifest and from what runs now."""

from __future__ import annotations

from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.moment import parse
from ansible_collections.cutover.django_q.plugins.module_utils.text_table import (
    seconds,
    size,
    text_table,
)

# How the keys end under which roles leave the seconds that something was away, and those that a
# bare recreation of the same service took, measured beside it.
GAPS = {"_gap_seconds": "", "_gap_bare_seconds": " (recreated bare, beside it)"}

# The key of the role that goes back.
BACK = "celery_restore"

# The state that a run which is being reported ends in.
ENDS = {"switching": "migrated", "rolling_back": "rolled_back"}

# What to do after a run, by the state that it leaves: playbook and reason.
NEXT = {
    "migrated": [
        ("verify", "proves it again, at any time"),
        ("monitor", "measures it against limits"),
        ("rollback", "goes back to Celery"),
        ("finalize", "days later: drops what only the way back needs"),
    ],
    "rolled_back": [
        ("preflight", "shows what stands in the way"),
        ("migrate", "begins anew"),
    ],
}


def phase_rows(phases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each phase with its seconds; one that runs still has none."""
    return [
        {
            "name": item["name"],
            "seconds": round((parse(item["end"]) - parse(item["start"])).total_seconds(), 1)
            if item.get("end")
            else None,
            "outcome": item["outcome"],
        }
        for item in phases
    ]


def gaps(manifest: dict[str, Any]) -> dict[str, float]:
    """The seconds without something, as the roles measured them: {"web": 0.6, …}.

    Each role may leave `<what>_gap_seconds` and `<what>_gap_bare_seconds` under its own key of
    the manifest; of two of one name the longer one counts. A run that went back shows those of
    its way back alone.
    """
    back = state_of(manifest) == "rolled_back"
    found: dict[str, float] = {}
    for name, part in manifest.items():
        if not isinstance(part, dict) or (name == BACK) != back:
            continue
        for key, value in part.items():
            for ending, note in GAPS.items():
                if key.endswith(ending) and value is not None:
                    what = key[: -len(ending)].replace("_", " ") + note
                    found[what] = max(float(value), found.get(what, 0.0))
    return found


def memory_of(containers: list[dict[str, Any]], memory: dict[str, Any]) -> int | None:
    """The bytes of some containers, where `memory` knows them by name or id; else None."""
    known = [
        value
        for item in containers
        for value in [memory.get(item["name"], memory.get(item["id"]))]
        if value is not None
    ]
    return sum(known) if known else None


def change_of(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> str:
    """What became of a service's containers: dropped, new, same, restarted or replaced."""
    if not after:
        return "dropped" if before else "absent"
    if not before:
        return "new"
    if {item["id"] for item in before} != {item["id"] for item in after}:
        return "replaced"
    started = {item["id"]: item["started_at"] for item in before}
    same = all(started[item["id"]] == item["started_at"] for item in after)
    return "same" if same else "restarted"


def service_rows(
    before: dict[str, Any], memory: dict[str, Any], containers: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Each service before and after: containers, memory, change.

    Args:
        before: the manifest's `preflight.services`.
        memory: the manifest's `preflight.memory`.
        containers: of the module `container_memory`, now.
    """
    now: dict[str, list[dict[str, Any]]] = {}
    for item in containers:
        now.setdefault(item["service"], []).append(item)
    rows = []
    for name in sorted({*before, *now}):
        was = (before.get(name) or {}).get("containers") or []
        mine = now.get(name, [])
        if not was and not mine:
            continue
        rows.append(
            {
                "service": name,
                "before": sum(item.get("state", "running") == "running" for item in was),
                "after": sum(item["state"] == "running" for item in mine),
                "memory_before": memory_of(was, memory),
                "memory_after": memory_of(
                    mine, {item["name"]: item["memory"] for item in containers}
                ),
                "change": change_of(was, mine),
            }
        )
    return rows


def systems(rows: list[dict[str, Any]], column: str, names: dict[str, list[str]]) -> list[str]:
    """The task systems that run containers.

    Args:
        rows: of `service_rows`; column: "before" or "after".
        names: {system: its services}.
    """
    return [
        system
        for system, services in names.items()
        if any(row[column] for row in rows if row["service"] in services)
    ]


def state_of(manifest: dict[str, Any]) -> str | None:
    """The state that the run leaves: the report is made just before it is written down."""
    state = manifest.get("state")
    return ENDS.get(state, state)


def schedule_counts(manifest: dict[str, Any]) -> dict[str, Any]:
    """How many schedules beat and Django-Q had, and what `verify` found of them."""
    preflight = manifest.get("preflight") or {}
    entries = ((preflight.get("celery") or {}).get("beat") or {}).get("entries") or []
    native = (preflight.get("django_q") or {}).get("schedules") or []
    after = (manifest.get("verify") or {}).get("rows") if state_of(manifest) == "migrated" else None
    return {
        "beat_enabled": sum(bool(item["enabled"]) for item in entries),
        "beat_disabled": sum(not item["enabled"] for item in entries),
        "django_q_before": sum(item["repeats"] != 0 for item in native),
        "django_q_after": sum(item["repeats"] != 0 for item in after)
        if after is not None
        else None,
        "parked_after": sum(item["repeats"] == 0 for item in after) if after is not None else None,
    }


def report_document(
    manifest: dict[str, Any], containers: list[dict[str, Any]], names: dict[str, list[str]]
) -> dict[str, Any]:
    """The report of a run.

    Args:
        manifest: the run's manifest as it stands.
        containers: of the module `container_memory`, now.
        names: {"celery": services, "django_q": services}.

    Returns:
        {run_id, project, state, refs, services, containers, memory, task_systems, schedules,
        phases, seconds, gaps, backup, patch}; sizes in bytes, spans in seconds.
    """
    preflight = manifest.get("preflight") or {}
    rows = service_rows(preflight.get("services") or {}, preflight.get("memory") or {}, containers)
    phases = phase_rows(manifest.get("phases") or [])
    git = preflight.get("git") or {}
    ref = git.get("describe") or git.get("branch") or git.get("sha")
    backup = manifest.get("postgres_backup") or {}
    release = manifest.get("release") or {}
    return {
        "run_id": manifest.get("run_id"),
        "project": (manifest.get("project") or {}).get("name"),
        "state": state_of(manifest),
        "refs": {
            "before": ref,
            "after": ref if state_of(manifest) == "rolled_back" else release.get("target_ref"),
        },
        "containers": {
            "before": sum(row["before"] for row in rows),
            "after": sum(row["after"] for row in rows),
        },
        "memory": {
            "before": sum(row["memory_before"] or 0 for row in rows) or None,
            "after": sum(row["memory_after"] or 0 for row in rows) or None,
        },
        "task_systems": {
            "before": systems(rows, "before", names),
            "after": systems(rows, "after", names),
        },
        "services": rows,
        "schedules": schedule_counts(manifest),
        "phases": phases,
        "seconds": round(sum(item["seconds"] or 0 for item in phases), 1),
        "gaps": gaps(manifest),
        "backup": {key: backup.get(key) for key in ("path", "size", "verified")}
        if backup
        else None,
        "patch": (manifest.get("compose_services") or {}).get("patch"),
    }


def schedules_text(counts: dict[str, Any], column: str) -> str | None:
    """The schedules before or after as one cell."""
    if column == "before":
        beat = f"{counts['beat_enabled']} beat"
        if counts["beat_disabled"]:
            beat += f" (+{counts['beat_disabled']} disabled)"
        return f"{beat}, {counts['django_q_before']} django_q"
    if counts["django_q_after"] is None:
        return None
    parked = f" (+{counts['parked_after']} parked)" if counts["parked_after"] else ""
    return f"{counts['django_q_after']} django_q{parked}"


def report_text(document: dict[str, Any]) -> str:
    """The report as tables for a screen."""
    both = [
        [what, before, after]
        for what, before, after in [
            ("release", document["refs"]["before"], document["refs"]["after"]),
            ("task systems", document["task_systems"]["before"], document["task_systems"]["after"]),
            ("containers", document["containers"]["before"], document["containers"]["after"]),
            ("memory", size(document["memory"]["before"]), size(document["memory"]["after"])),
            (
                "schedules",
                schedules_text(document["schedules"], "before"),
                schedules_text(document["schedules"], "after"),
            ),
        ]
    ]
    lines = [
        f"without {what}: {seconds(value)}" for what, value in sorted(document["gaps"].items())
    ]
    if document["backup"]:
        verified = "verified" if document["backup"]["verified"] else "not verified"
        lines.append(
            f"backup: {size(document['backup']['size'])}, {verified}, {document['backup']['path']}"
        )
    parts = [
        text_table(
            both,
            ["", "before", "after"],
            f"{document['project']}, run {document['run_id']}: {document['state']}",
        ),
        text_table(
            [
                [
                    row["service"],
                    row["before"],
                    row["after"],
                    size(row["memory_before"]),
                    size(row["memory_after"]),
                    row["change"],
                ]
                for row in document["services"]
            ],
            ["service", "before", "after", "memory before", "memory after", "container"],
            "Services (containers that run)",
        ),
        text_table(
            [[row["name"], seconds(row["seconds"]), row["outcome"]] for row in document["phases"]]
            + [["all", seconds(document["seconds"]), ""]],
            ["phase", "took", "outcome"],
            "Phases",
        ),
    ]
    if lines:
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def report_next(document: dict[str, Any], folder: str, inventory: str) -> str:
    """What to do after the run, as text.

    Args:
        folder: the run's folder on the host.
        inventory: the inventory that the commands name.
    """
    lines = [f"The run's folder on the host: {folder}"]
    if document["state"] == "migrated" and document["patch"]:
        lines += [
            "The Compose file was changed on the host. Commit the change to the application's",
            f"repository, else the next deployment undoes it: {document['patch']}",
        ]
    commands = [
        (f"ansible-playbook -i {inventory} playbooks/{name}.yml", why)
        for name, why in NEXT.get(document["state"], [])
    ]
    if commands:
        lines.append("Next:")
        wide = max(len(command) for command, _why in commands)
        lines += [f"  {command.ljust(wide)}  {why}" for command, why in commands]
    return "\n".join(lines)
