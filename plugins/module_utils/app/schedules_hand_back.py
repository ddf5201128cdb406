# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Gives the schedule back to beat: rows are parked, beat's times say what Django-Q has fired.

Runs in the old release (it has both packages), before beat starts. A qcluster may run meanwhile:
the table is locked, so that its scheduler has fired a row whole or not at all, and finds it parked
from then on. One transaction; a repeat changes nothing.

Params:
    time_zone: the time zone of the cluster that fired the rows (the target's).
"""

from __future__ import annotations

READS_ONLY = False


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, parked: [names], last_runs: {entry: RFC 3339}, restored: [names]}
    """
    import json

    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        django_q_state,
        schedules,
    )
    from django.db import connection, transaction
    from django_q.models import Schedule

    if not django_q_state.has_tables():
        return {"changed": False, "parked": [], "last_runs": {}, "restored": []}
    beat_table = "django_celery_beat_periodictask"
    has_beat = beat_table in connection.introspection.table_names()
    parked, restored, last_runs = [], [], {}
    with transaction.atomic(), connection.cursor() as cursor:
        # Not row by row: the scheduler takes several in an order of its own.
        cursor.execute(f"LOCK TABLE {Schedule._meta.db_table} IN EXCLUSIVE MODE")
        for schedule_id, kept in schedules.ledger().items():
            row = Schedule.objects.select_for_update().filter(pk=schedule_id).values().first()
            if row is None:
                continue
            if kept["before"]:
                old = json.loads(kept["before"])
                if any(row[name] != value for name, value in old.items()):
                    Schedule.objects.filter(pk=schedule_id).update(**old)
                    restored.append(row["name"])
            elif row["repeats"] != 0:
                Schedule.objects.filter(pk=schedule_id).update(repeats=0)
                parked.append(row["name"])
            if kept["handed_over_at"] is None:
                continue
            if has_beat and kept["entry"] and row["schedule_type"] in ("C", "I"):
                # The zone of the cluster that fired them is the one in the row's own terms: the
                # old release's settings may name another.
                last = schedules.previous_firing(row, params["time_zone"])
                cursor.execute(
                    f"UPDATE {beat_table} SET last_run_at = %s WHERE name = %s "
                    "AND (last_run_at IS NULL OR last_run_at < %s)",
                    [last, kept["entry"], last],
                )
                last_runs[kept["entry"]] = last.isoformat()
            cursor.execute(
                f"UPDATE {schedules.TABLE} SET handed_over_at = NULL WHERE schedule_id = %s",
                [schedule_id],
            )
    return {
        "changed": bool(parked or restored or last_runs),
        "parked": parked,
        "last_runs": last_runs,
        "restored": restored,
    }
