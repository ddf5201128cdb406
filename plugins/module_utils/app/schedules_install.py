# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Runs `setup_schedules`, completes it from beat's entries and parks what it made: one transaction.

Runs in an image of the target release.

Params:
    run_id: the run, written beside each parked row.
    command: the management command's name (`setup_schedules`) and `arguments`, a list.
    entries: beat's entries as `celery_state` documented them.
    names: {Celery's task name: dotted path}.
    clusters: {Celery's queue: cluster}, "" is the default cluster.
    accepted: names of entries that the operator accepted as they cannot be expressed.
    rehearse: do all of it, then roll the transaction back (the preflight).
"""

from __future__ import annotations

READS_ONLY = False


class Rehearsed(Exception):
    """Rolls the transaction of a rehearsal back."""


def definition(row: dict) -> dict:
    """What people define of a row, without Django-Q's own book-keeping."""
    from ansible_collections.cutover.django_q.plugins.module_utils.app import schedules

    return {name: row[name] for name in schedules.FIELDS}


def rows_by_id() -> dict[int, dict]:
    """Every row of Schedule by id."""
    from django_q.models import Schedule

    return {row["id"]: row for row in Schedule.objects.values()}


def complete(params: dict, zone_name: str) -> list[dict]:
    """Make Django-Q's rows agree with beat's entries; the entries are the truth.

    Returns:
        For each entry {entry, action: created|changed|kept|dropped|problem, schedule_id, text}.
    """
    from datetime import datetime, timedelta, timezone

    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        firing_times,
        schedules,
    )
    from django.utils.module_loading import import_string
    from django_q.models import Schedule

    outcome = []
    # Far enough away that nothing fires between this moment and the parking below.
    later = datetime.now(timezone.utc) + timedelta(days=365)
    for entry in params["entries"]:
        found = Schedule.objects.filter(name=entry["name"]).order_by("id").first()
        result = {
            "entry": entry["name"],
            "enabled": entry["enabled"],
            "schedule_id": found and found.id,
            "text": "",
        }
        outcome.append(result)
        if entry["task"] in schedules.DROPPED_TASKS:
            result.update(action="dropped", text=f"{entry['task']} has no meaning without Celery")
            continue
        try:
            wanted = schedules.wanted_row(entry, params["names"], params["clusters"], zone_name)
        except firing_times.NotExpressible as error:
            accepted = entry["name"] in params["accepted"] or not entry["enabled"]
            result.update(action="accepted" if accepted else "problem", text=str(error))
            continue
        try:
            import_string(wanted["func"])
        except ImportError as error:
            result.update(
                action="problem" if entry["enabled"] else "accepted",
                text=f"its function {wanted['func']} does not exist in the target: {error}",
            )
            continue
        if found is None:
            found = Schedule.objects.create(**wanted, next_run=later, repeats=-1)
            Schedule.objects.filter(pk=found.pk).update(next_run=later)
            result.update(action="created", schedule_id=found.pk)
            continue
        have = {key: getattr(found, key) for key in wanted}
        differing = [
            key
            for key in ("func", "schedule_type", "cron", "minutes")
            if (have[key] or None) != (wanted[key] or None)
        ]
        if differing in (["cron"], ["schedule_type", "cron"], ["schedule_type", "minutes"]) or (
            differing and "func" not in differing
        ):
            moments = [
                schedules.next_firings(
                    {**row, "next_run": later}, datetime.now(timezone.utc), 50, zone_name
                )
                for row in (have, wanted)
            ]
            if moments[0] and moments[0] == moments[1]:
                differing = []
        if schedules.evaluated(have) != schedules.evaluated(wanted):
            differing.append("arguments")
        if (have["cluster"] or None) != (wanted["cluster"] or None):
            differing.append("cluster")
        if not differing:
            result.update(action="kept")
            continue
        Schedule.objects.filter(pk=found.pk).update(**wanted)
        result.update(
            action="changed",
            text="the database's entry differed from setup_schedules in " + ", ".join(differing),
        )
    return outcome


def install(params: dict) -> dict:
    """The body of the transaction."""
    import json

    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        django_q_state,
        schedules,
    )
    from django.core.management import call_command
    from django.db import connection
    from django_q.models import Schedule

    zone_name = django_q_state.configuration()["time_zone"]
    before = rows_by_id()
    known = schedules.ledger()
    # Rows that an earlier run parked take their own value back first, so that the command and the
    # comparison below see them as their author meant them.
    for schedule_id, row in known.items():
        if row["handed_over_at"] is None:
            Schedule.objects.filter(pk=schedule_id, repeats=0).update(repeats=row["repeats"])
    restored = rows_by_id()
    call_command(params["command"], *params["arguments"])
    outcome = complete(params, zone_name)
    after = rows_by_id()
    disabled = {item["schedule_id"] for item in outcome if not item["enabled"]}
    by_entry = {item["schedule_id"]: item["entry"] for item in outcome if item["schedule_id"]}
    parked = []
    with connection.cursor() as cursor:
        cursor.execute(schedules.CREATE_TABLE)
        for schedule_id, row in after.items():
            if schedule_id in known and known[schedule_id]["handed_over_at"]:
                continue  # Live already: this run was resumed after the handover.
            mine = schedule_id not in before or schedule_id in known
            old = restored.get(schedule_id)
            if not mine and definition(old) == definition(row):
                continue
            created = schedule_id not in before or bool(
                schedule_id in known and known[schedule_id]["created"]
            )
            if not created and old and old["repeats"] != 0:
                # It fired before this run: it goes on firing, and only its old form is kept.
                intended = row["repeats"]
            else:
                intended = 0 if schedule_id in disabled else row["repeats"]
                Schedule.objects.filter(pk=schedule_id).update(repeats=0)
            parked.append({"id": schedule_id, "name": row["name"], "repeats": intended})
            cursor.execute(
                f"INSERT INTO {schedules.TABLE} "
                "(schedule_id, run_id, name, entry, repeats, created, before) "
                "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (schedule_id) DO UPDATE SET "
                "run_id = EXCLUDED.run_id, name = EXCLUDED.name, entry = EXCLUDED.entry, "
                "repeats = EXCLUDED.repeats, handed_over_at = NULL",
                [
                    schedule_id,
                    params["run_id"],
                    row["name"],
                    by_entry.get(schedule_id),
                    intended,
                    created,
                    json.dumps(definition(old)) if old and not created else None,
                ],
            )
    return {
        "time_zone": zone_name,
        "outcome": outcome,
        "parked": parked,
        "rows": [
            {**row, "next_run": row["next_run"] and row["next_run"].isoformat()}
            for row in after.values()
        ],
        "kept": sorted(set(after) - {item["id"] for item in parked}),
    }


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, time_zone, outcome: [{entry, action, schedule_id, enabled, text}],
        parked: [{id, name, repeats (to go back to)}], kept: [ids that are nobody's business],
        rows}
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import django_q_state
    from django.core.management import call_command
    from django.db import connection, transaction

    result: dict = {}
    try:
        with transaction.atomic():
            if params.get("rehearse"):
                with connection.cursor() as cursor:
                    cursor.execute("SET LOCAL lock_timeout = '5s'")
                if not django_q_state.has_tables():
                    call_command("migrate", "django_q", interactive=False, verbosity=0)
            result = install(params)
            if params.get("rehearse"):
                raise Rehearsed
            problems = [item for item in result["outcome"] if item["action"] == "problem"]
            if problems:
                raise SystemExit(
                    "These schedules cannot be taken over: "
                    + "; ".join(f"{item['entry']}: {item['text']}" for item in problems)
                )
    except Rehearsed:
        return {**result, "changed": False}
    return {**result, "changed": True}
