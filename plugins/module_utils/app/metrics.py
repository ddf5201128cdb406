# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Measures Django-Q: success rate, schedules, queues, clusters, and PostgreSQL's connections.

Params:
    window: seconds to look back.
    since: a moment (RFC 3339) before which nothing is counted as due, "" for none: the
        schedules that a migration made were not there before it.
    grace: seconds by which a schedule may be late before it is overdue (Django-Q looks every 30).
"""

from __future__ import annotations

from datetime import datetime, timedelta

READS_ONLY = True

# Caches that are not shared between processes: what a cluster reports there nobody sees.
PRIVATE_CACHES = ("LocMemCache", "DummyCache")
# How many firings of one schedule are counted; more are told as this many.
MOST_DUE = 2000
# How many of the functions that fail most are named.
MOST_FAILING = 5

SECONDS = {"H": 3600, "D": 86400, "W": 7 * 86400, "BW": 14 * 86400}


def covered_since(start: datetime, pruned: datetime | None) -> datetime:
    """The moment from which the records are complete.

    Args:
        start: where the window starts.
        pruned: the oldest success still there, where Django-Q has deleted older ones
            (save_limit); failures are never deleted, so that a rate over both would be too low.
    """
    return max(start, pruned) if pruned else start


def rate(succeeded: int, failed: int, save_limit: int) -> float | None:
    """The share of tasks that succeeded; None when nothing can be said.

    With a negative save_limit successes are not recorded, failures are.
    """
    if save_limit < 0 or succeeded + failed == 0:
        return None
    return round(succeeded / (succeeded + failed), 4)


def due_times(seconds: float, next_run: datetime, since: datetime, now: datetime) -> int:
    """How often a schedule of a fixed step was due after `since` and until `now`.

    Args:
        seconds: the step.
        next_run: the moment of its next firing: any point of its grid will do.
    """
    step = timedelta(seconds=seconds)
    return (now - next_run) // step - (since - next_run) // step


def overdue_seconds(next_run: datetime | None, repeats: int, now: datetime) -> float:
    """By how many seconds a schedule is late; 0 for one that is parked or has time."""
    if repeats == 0 or next_run is None or next_run >= now:
        return 0.0
    return (now - next_run).total_seconds()


def moment_of(text: str, now: datetime) -> datetime:
    """A moment given as RFC 3339, comparable with `now`, which has no zone when USE_TZ is off."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment.astimezone().replace(tzinfo=None) if now.tzinfo is None else moment


def tasks(window: float, now: datetime) -> dict:
    """What became of the tasks that ended in the window."""
    from django.db.models import Count, Max, Min, Q
    from django_q.conf import Conf
    from django_q.models import Success, Task

    start = now - timedelta(seconds=window)
    pruned = None
    if Conf.SAVE_LIMIT > 0:
        kept = Success.objects.order_by()
        per = Conf.SAVE_LIMIT_PER
        if per:
            groups = kept.values(per).annotate(kept=Count("id"), oldest=Min("stopped"))
            full = groups.filter(kept__gte=Conf.SAVE_LIMIT)
            pruned = full.aggregate(latest=Max("oldest"))["latest"]
        elif kept.count() >= Conf.SAVE_LIMIT:
            pruned = kept.aggregate(oldest=Min("stopped"))["oldest"]
    since = covered_since(start, pruned)
    ended = Task.objects.order_by().filter(stopped__gte=since)
    counted = ended.aggregate(
        succeeded=Count("id", filter=Q(success=True)), failed=Count("id", filter=Q(success=False))
    )
    failing = (
        ended.filter(success=False)
        .values("func")
        .annotate(failed=Count("id"))
        .order_by("-failed", "func")
    )
    return {
        **counted,
        "rate": rate(counted["succeeded"], counted["failed"], Conf.SAVE_LIMIT),
        "window": window,
        "since": since.isoformat(),
        "whole_window": since == start,
        "save_limit": Conf.SAVE_LIMIT,
        "failing": [dict(item) for item in failing[:MOST_FAILING]],
    }


def due_count(row, since: datetime, now: datetime) -> int | None:
    """How often a row of Schedule was due in a span of time; None where nobody can tell.

    A row of minutes has its grid, one of cron its expression; months have no fixed step.
    """
    if row.schedule_type == row.CRON:
        from croniter import croniter
        from django_q.utils import localtime

        ticks = croniter(row.cron, localtime(since))
        for count in range(MOST_DUE):
            if ticks.get_next(datetime) > now:
                return count
        return MOST_DUE
    seconds = row.minutes and row.minutes * 60 if row.schedule_type == row.MINUTES else None
    seconds = seconds or SECONDS.get(row.schedule_type)
    if not seconds or row.next_run is None:
        return None
    return min(MOST_DUE, due_times(seconds, row.next_run, since, now))


def schedules(since: datetime, grace: float, now: datetime) -> dict:
    """Each schedule that fires: due, run, and how late it is."""
    from django.db.models import Count
    from django_q.models import Schedule, Task

    started = Task.objects.order_by().filter(started__gte=since, success=True, group__isnull=False)
    ran = {item["group"]: item["n"] for item in started.values("group").annotate(n=Count("id"))}
    rows, parked = [], 0
    for row in Schedule.objects.order_by("name", "id"):
        if row.repeats == 0:
            parked += 1
            continue
        name = row.name or f"id {row.pk}"
        try:
            due = due_count(row, since, now)
        except (ValueError, KeyError) as error:
            due, name = None, f"{name} ({error})"
        late = overdue_seconds(row.next_run, row.repeats, now)
        rows.append(
            {
                "name": name,
                "due": due,
                "run": ran.get(row.name or str(row.pk), 0),
                "next_run": row.next_run and row.next_run.isoformat(),
                "late": round(late, 1),
                "overdue": late > grace,
            }
        )
    return {
        "since": since.isoformat(),
        "rows": rows,
        "parked": parked,
        "due": sum(row["due"] or 0 for row in rows),
        "run": sum(row["run"] for row in rows if row["due"] is not None),
        "overdue": [row["name"] for row in rows if row["overdue"]],
    }


def queues(now: datetime) -> list[dict]:
    """Each queue in the database: rows that are due, rows that are not, age of the oldest due."""
    from django.db.models import Count, Min, Q
    from django_q.conf import Conf
    from django_q.models import OrmQ

    due = Q(lock__lte=now)
    found = (
        OrmQ.objects.using(Conf.ORM)
        .order_by()
        .values("key")
        .annotate(
            due=Count("id", filter=due),
            later=Count("id", filter=~due),
            oldest=Min("lock", filter=due),
        )
        .order_by("key")
    )
    return [
        {
            "name": item["key"],
            "due": item["due"],
            "later": item["later"],
            "oldest": round((now - item["oldest"]).total_seconds(), 1) if item["oldest"] else 0.0,
        }
        for item in found
    ]


def clusters() -> dict:
    """The clusters that report in the cache; they do so every half second, for three seconds."""
    import time

    from django.conf import settings
    from django_q.conf import Conf
    from django_q.status import Stat

    backend = settings.CACHES.get(Conf.CACHE or "default", {}).get("BACKEND", "")
    visible = not backend.endswith(PRIVATE_CACHES)
    stats = Stat.get_all() if visible else []
    if visible and not stats:
        time.sleep(1)
        stats = Stat.get_all()
    return {
        "visible": visible,
        "cache": backend,
        "rows": [
            {
                "id": str(stat.cluster_id),
                "host": stat.host,
                "status": str(stat.status),
                "workers": len(stat.workers),
                "queued": stat.task_q_size,
                "unsaved": stat.done_q_size,
                "reincarnations": stat.reincarnations,
                "uptime": round(stat.uptime(), 1),
            }
            for stat in stats
        ],
    }


def database() -> dict | None:
    """Connections to the server against its limit; None where it is not PostgreSQL."""
    from django.db import connections
    from django_q.conf import Conf

    connection = connections[Conf.ORM if isinstance(Conf.ORM, str) else "default"]
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int, "
            "current_setting('superuser_reserved_connections')::int, count(*), "
            "count(*) FILTER (WHERE datname = current_database()), "
            "count(*) FILTER (WHERE state = 'idle in transaction') "
            "FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        limit, reserved, used, own, idle_in_transaction = cursor.fetchone()
    usable = max(limit - reserved, 1)
    return {
        "used": used,
        "own": own,
        "idle_in_transaction": idle_in_transaction,
        "max": limit,
        "reserved": reserved,
        "share": round(used / usable, 4),
    }


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {now, tasks, schedules, queues, clusters, connections}; times as RFC 3339, spans in
        seconds. `connections.share` is of those that an ordinary role can have.
    """
    from django.utils import timezone

    now = timezone.now()
    ended = tasks(params["window"], now)
    since = moment_of(ended["since"], now)
    if params["since"]:
        since = max(since, moment_of(params["since"], now))
    return {
        "now": now.isoformat(),
        "tasks": ended,
        "schedules": schedules(since, params["grace"], now),
        "queues": queues(now),
        "clusters": clusters(),
        "connections": database(),
    }
