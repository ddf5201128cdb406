# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What Django-Q knows and does: settings, schedules, queued rows, clusters that report.

It takes no params.
"""

from __future__ import annotations

READS_ONLY = True

SETTINGS = {
    "name": "PREFIX",
    "cluster_name": "CLUSTER_NAME",
    "workers": "WORKERS",
    "timeout": "TIMEOUT",
    "retry": "RETRY",
    "queue_limit": "QUEUE_LIMIT",
    "bulk": "BULK",
    "poll": "POLL",
    "save_limit": "SAVE_LIMIT",
    "ack_failures": "ACK_FAILURES",
    "max_attempts": "MAX_ATTEMPTS",
    "catch_up": "CATCH_UP",
    "time_zone": "TIME_ZONE",
    "cache": "CACHE",
    "sync": "SYNC",
    "orm": "ORM",
    "scheduler": "SCHEDULER",
}


def configuration() -> dict:
    """Django-Q's settings as it reads them itself, with the alternative clusters' own."""
    import django_q
    from django.conf import settings
    from django_q.conf import Conf

    version = getattr(django_q, "VERSION", None)
    config = {key: getattr(Conf, name, None) for key, name in SETTINGS.items()}
    config["time_zone"] = str(config["time_zone"] or settings.TIME_ZONE)
    config["version"] = ".".join(str(part) for part in version) if version else None
    declared = getattr(settings, "Q_CLUSTER", None) or {}
    config["alt_clusters"] = {
        key: {name: value for name, value in values.items() if name in SETTINGS}
        for key, values in (declared.get("ALT_CLUSTERS") or {}).items()
    }
    config["declared"] = sorted(declared)
    backend = settings.CACHES.get(config["cache"] or "default", {})
    config["cache_backend"] = backend.get("BACKEND")
    config["conn_max_age"] = settings.DATABASES["default"].get("CONN_MAX_AGE")
    return config


def schedule_rows() -> list[dict]:
    """Every row of Schedule, times as RFC 3339."""
    from django_q.models import Schedule

    rows = []
    for row in Schedule.objects.order_by("id").values():
        row["next_run"] = row["next_run"] and row["next_run"].isoformat()
        rows.append(row)
    return rows


def has_tables() -> bool:
    """Whether Django-Q's tables are there."""
    from django.db import connection

    return {"django_q_schedule", "django_q_ormq"} <= set(connection.introspection.table_names())


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {installed, tables, config, schedules, queued: {cluster: rows}, stats: [...]}
    """
    try:
        config = configuration()
    except ImportError:
        return {
            "installed": False,
            "tables": False,
            "config": {},
            "schedules": [],
            "queued": {},
            "stats": [],
        }
    if not has_tables():
        return {
            "installed": True,
            "tables": False,
            "config": config,
            "schedules": [],
            "queued": {},
            "stats": [],
        }
    from django.db.models import Count
    from django_q.models import OrmQ
    from django_q.status import Stat

    counted = OrmQ.objects.values("key").annotate(rows=Count("id")).order_by("key")
    stats = [
        {
            "cluster": str(stat.cluster_id),
            "host": stat.host,
            "status": stat.status,
            "workers": len(stat.workers),
            "queued": stat.task_q_size,
            "uptime": stat.uptime(),
        }
        for stat in Stat.get_all()
    ]
    return {
        "installed": True,
        "tables": True,
        "config": config,
        "schedules": schedule_rows(),
        "queued": {row["key"]: row["rows"] for row in counted},
        "stats": stats,
    }
