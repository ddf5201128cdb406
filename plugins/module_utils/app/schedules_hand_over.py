# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Takes beat's schedule over: each parked row goes live with the first tick after beat's last.

Runs in the target release, after beat has ended. One transaction; what was handed over once is
left alone, so that a repeat neither doubles nor loses a tick.

Params:
    beat_stopped_at: RFC 3339, when beat ended: what counts where beat keeps its times in a file.
"""

from __future__ import annotations

import re
from datetime import datetime

READS_ONLY = False


def moment(text: str) -> datetime:
    """A moment as Docker tells it: RFC 3339 with up to nine digits, all of which 3.11 reads."""
    whole, fraction, zone = re.fullmatch(r"([^.Z+]+)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", text).groups()
    return datetime.fromisoformat(
        f"{whole}.{fraction or '0':0<6.6}{'+00:00' if zone == 'Z' else zone}"
    )


def last_runs() -> dict[str, object]:
    """When beat last fired each entry, by name, from django-celery-beat's table, if it is there.

    An entry that never fired counts from its last change, as beat itself does.
    """
    from django.db import connection

    table = "django_celery_beat_periodictask"
    if table not in connection.introspection.table_names():
        return {}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT name, coalesce(last_run_at, date_changed) FROM {table}")
        return dict(cursor.fetchall())


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, handed_over: [{id, name, repeats, last_run_at, next_run}]}
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        django_q_state,
        schedules,
    )
    from django.db import connection, transaction
    from django_q.models import Schedule

    zone_name = django_q_state.configuration()["time_zone"]
    stopped = moment(params["beat_stopped_at"])
    known = last_runs()
    handed_over = []
    with transaction.atomic(), connection.cursor() as cursor:
        for schedule_id, kept in schedules.ledger().items():
            if kept["handed_over_at"] is not None or not kept["repeats"]:
                continue
            row = Schedule.objects.select_for_update().filter(pk=schedule_id).values().first()
            if row is None or row["repeats"] != 0:
                continue
            last = known.get(kept["entry"]) or stopped
            if row["schedule_type"] == "I":
                row["next_run"] = last
            moments = schedules.next_firings(row, last, 1, zone_name)
            values = {"repeats": kept["repeats"]}
            if moments:
                values["next_run"] = moments[0]
            Schedule.objects.filter(pk=schedule_id).update(**values)
            cursor.execute(
                f"UPDATE {schedules.TABLE} SET handed_over_at = now() WHERE schedule_id = %s",
                [schedule_id],
            )
            handed_over.append(
                {
                    "id": schedule_id,
                    "name": row["name"],
                    "repeats": kept["repeats"],
                    "last_run_at": last.isoformat(),
                    "next_run": moments[0].isoformat() if moments else None,
                }
            )
    return {"changed": bool(handed_over), "handed_over": handed_over}
