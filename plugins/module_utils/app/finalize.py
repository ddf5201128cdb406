# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Drops the tables that only the way back needed. Runs in the target release.

Params:
    beat_tables: drop django-celery-beat's tables, and their migrations' records, too.
"""

from __future__ import annotations

READS_ONLY = False


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, dropped: [table names]}
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import moves, schedules
    from django.apps import apps
    from django.db import connection, transaction

    wanted = [moves.TABLE, schedules.TABLE]
    tables = connection.introspection.table_names()
    beat = params["beat_tables"] and not apps.is_installed("django_celery_beat")
    if beat:
        wanted += [name for name in tables if name.startswith("django_celery_beat_")]
    dropped = [name for name in wanted if name in tables]
    with transaction.atomic(), connection.cursor() as cursor:
        for name in dropped:
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(name)} CASCADE")
        if beat and dropped:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'django_celery_beat'")
    return {"changed": bool(dropped), "dropped": dropped}
