# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What Celery knows and does: tasks, queues, beat's schedule. Runs where Celery is installed.

Params:
    celery_app: dotted path of the Celery application; "" is the one that importing the settings'
        package made current.
    beat_command: beat's command line as a list, to see which scheduler it uses.
    inspect_timeout: seconds to wait for the workers' answers (default 2).
"""

from __future__ import annotations

READS_ONLY = True


def application(dotted: str):
    """The project's Celery application with all its tasks imported."""
    import importlib
    import os

    if dotted:
        module, _colon, name = dotted.partition(":")
        found = importlib.import_module(module)
        app = getattr(found, name or "app", None) or found.celery
    else:
        importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"].partition(".")[0])
        from celery import current_app

        app = current_app._get_current_object()
    app.finalize()
    app.loader.import_default_modules()
    return app


def queue_names(app, consumed: dict | None) -> list[str]:
    """Every queue that the application, its routes, its workers or Redis know of."""
    names = set(app.amqp.queues) | {app.conf.task_default_queue}
    for queues in (consumed or {}).values():
        names |= {queue["name"] for queue in queues}
    for task in app.tasks:
        names.add(queue_of(app, task))
    return sorted(name for name in names if name)


def queue_of(app, task: str) -> str:
    """The queue to which the application sends a task when the caller names none."""
    options = getattr(app.tasks.get(task), "queue", None)
    if options:
        return str(options)
    route = app.amqp.router.route({}, task)
    queue = route.get("queue")
    return getattr(queue, "name", None) or str(queue or app.conf.task_default_queue)


def described(app, connection) -> dict:
    """How the broker is reached, with its password, and how its keys are called in Redis."""
    options = connection.transport_options or {}
    return {
        "transport": connection.transport.driver_type,
        "url": connection.as_uri(include_password=True),
        "key_prefix": options.get("global_keyprefix", ""),
        "unacked_key": options.get("unacked_key", "unacked"),
        "unacked_index_key": options.get("unacked_index_key", "unacked_index"),
        "queues": queue_names(app, None),
        "tasks": sorted(name for name in app.tasks if not name.startswith("celery.")),
    }


def redis_state(broker: dict, names: list[str]) -> dict:
    """Lengths of the queues in Redis, by name and priority, and of what is not acknowledged.

    Args:
        broker: of `described`.
        names: queues to look at besides those that Redis itself knows.
    """
    import json

    from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues

    client = redis_queues.connect(broker)
    queues = {}
    for name in redis_queues.queue_names(client, {**broker, "queues": names}):
        keys = redis_queues.keys_of(broker, name)
        counts = dict(zip(("0", *map(str, redis_queues.PRIORITIES)), map(client.llen, keys)))
        queues[name] = {
            "ready": sum(counts.values()),
            "priorities": {key: count for key, count in counts.items() if count},
            "unacked": 0,
        }
    for value in client.hvals(broker["key_prefix"] + broker["unacked_key"]):
        _message, _exchange, queue = json.loads(value)
        queues.setdefault(queue, {"ready": 0, "priorities": {}, "unacked": 0})["unacked"] += 1
    return queues


def broker_state(app, consumed: dict | None) -> tuple[dict, dict]:
    """The broker (without its password) and its queues' lengths.

    What RabbitMQ has handed out and not got acknowledged is known to the workers alone; what it
    delays itself (with quorum queues) is `delayed`.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import amqp_queues

    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, timeout=5)
        info = {
            "transport": connection.transport.driver_type,
            "host": connection.hostname,
            "port": connection.port,
            "virtual_host": connection.virtual_host,
        }
        names = queue_names(app, consumed)
        if info["transport"] == "redis":
            return info, redis_state(described(app, connection), names)
        waiting = {
            seen["queue"]: seen["messages"] for seen in amqp_queues.waiting(connection, names)
        }
        info["delayed"] = sum(count for name, count in waiting.items() if name not in names)
        return info, {
            name: {"ready": count, "priorities": {}, "unacked": 0}
            for name, count in waiting.items()
            if name in names
        }


def held(app, timeout: float, limit: int | None) -> dict[str, dict | None]:
    """What the workers run, have fetched and hold until it is due.

    Args:
        timeout: seconds to wait for answers.
        limit: how many answers to wait for; None waits for the whole timeout.

    Returns:
        {active, reserved, scheduled}, each {worker: [{id, task, queue, eta (RFC 3339 or None),
        seconds (that it has run)}]}, or None when no worker answered.
    """
    import time

    inspect = app.control.inspect(timeout=timeout, limit=limit)

    def known(item: dict) -> dict:
        request = item.get("request", item)
        started = request.get("time_start")
        return {
            "id": request["id"],
            "task": request["name"],
            "queue": (request.get("delivery_info") or {}).get("routing_key"),
            "eta": item.get("eta"),
            "seconds": round(max(0.0, time.time() - started), 1) if started else None,
        }

    return {
        kind: answer
        and {worker: [known(item) for item in items] for worker, items in answer.items()}
        for kind, answer in (
            ("active", inspect.active()),
            ("reserved", inspect.reserved()),
            ("scheduled", inspect.scheduled()),
        )
    }


def next_times(kind: str, schedule, zone, last, moment) -> list[str]:
    """The next ten firing times of an entry under Celery's own reading of it."""
    from ansible_collections.cutover.django_q.plugins.module_utils.app import firing_times

    if kind == "crontab":
        times = firing_times.local_firings(firing_times.sets_of(schedule), zone, moment, 10)
    elif kind == "interval":
        times = firing_times.interval_firings(
            schedule.run_every.total_seconds(), last or moment, moment, 10
        )
    else:
        times = []
    return [item.isoformat() for item in times]


def entry_of(app, name: str, task: str, schedule, moment, **more) -> dict:
    """One entry of beat's schedule as data.

    `cron` is on the clock of `timezone`; `problem` says why Django-Q cannot express it.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import firing_times
    from celery.schedules import crontab, solar
    from celery.schedules import schedule as interval

    schedule = getattr(schedule, "schedule", schedule)
    zone = getattr(schedule, "tz", None) or app.timezone
    entry = {
        "name": name,
        "task": task,
        "kind": "other",
        "spec": str(schedule),
        "timezone": str(zone),
        "cron": None,
        "minutes": None,
        "sets": None,
        "problem": None,
        **more,
    }
    if isinstance(schedule, crontab):
        entry["kind"] = "crontab"
        sets = firing_times.sets_of(schedule)
        entry["sets"] = {key: sorted(values) for key, values in sets.items()}
        try:
            entry["cron"] = firing_times.cron_text(sets)
        except firing_times.NotExpressible as error:
            entry["problem"] = str(error)
    elif isinstance(schedule, solar):
        entry["kind"] = "solar"
        entry["problem"] = "solar schedules do not exist in Django-Q: take a fixed time"
    elif isinstance(schedule, interval):
        entry["kind"] = "interval"
        seconds = schedule.run_every.total_seconds()
        if seconds % 60 or seconds <= 0:
            entry["problem"] = f"an interval of {seconds:g} s is not one of whole minutes"
        elif seconds // 60 > 32767:
            entry["problem"] = f"an interval of {seconds:g} s does not fit Django-Q's field"
        else:
            entry["minutes"] = int(seconds // 60)
    else:
        entry["problem"] = f"a schedule of the type {type(schedule).__name__} has no counterpart"
    if entry.get("expires") or entry.get("one_off") or entry.get("start_time"):
        entry["problem"] = "expires, start_time and one_off have no counterpart in Django-Q"
    entry["next"] = next_times(entry["kind"], schedule, zone, more.get("last_run"), moment)
    entry.pop("last_run", None)
    return entry


def entries_from_code(app, moment) -> list[dict]:
    """The entries of `app.conf.beat_schedule`."""
    from celery.schedules import maybe_schedule

    entries = []
    for name, item in sorted((app.conf.beat_schedule or {}).items()):
        options = item.get("options") or {}
        entries.append(
            entry_of(
                app,
                name,
                item["task"],
                maybe_schedule(item["schedule"], app=app),
                moment,
                args=list(item.get("args") or ()),
                kwargs=dict(item.get("kwargs") or {}),
                queue=options.get("queue") or queue_of(app, item["task"]),
                enabled=True,
                source="code",
                last_run_at=None,
                expires=options.get("expires"),
            )
        )
    return entries


def entries_from_database(app, moment) -> list[dict]:
    """The rows of django-celery-beat's PeriodicTask, the truth where DatabaseScheduler runs."""
    import json

    from django_celery_beat.models import PeriodicTask

    entries = []
    for row in PeriodicTask.objects.order_by("name"):
        last = row.last_run_at or row.date_changed
        expires = row.expires or row.expire_seconds
        entries.append(
            entry_of(
                app,
                row.name,
                row.task,
                row.schedule,
                moment,
                args=json.loads(row.args or "[]"),
                kwargs=json.loads(row.kwargs or "{}"),
                queue=row.queue or queue_of(app, row.task),
                enabled=row.enabled,
                source="database",
                last_run_at=row.last_run_at and row.last_run_at.isoformat(),
                last_run=last,
                expires=expires and str(expires),
                one_off=row.one_off,
                start_time=row.start_time and row.start_time.isoformat(),
            )
        )
    return entries


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {app, timezone, time (of the reading), broker, queues, consumed, registered, task_queues,
        active, reserved, scheduled (see `held`), time_limits, beat: {scheduler, entries}}
    """
    from datetime import datetime, timezone

    from django.apps import apps

    app = application(params.get("celery_app", ""))
    moment = datetime.now(timezone.utc)
    timeout = params.get("inspect_timeout", 2)
    consumed = app.control.inspect(timeout=timeout).active_queues()
    # With the number of workers known, the further questions end with the last answer.
    answers = held(app, timeout, len(consumed or {}) or None)
    broker, queues = broker_state(app, consumed)
    registered = sorted(name for name in app.tasks if not name.startswith("celery."))
    command = " ".join(params.get("beat_command") or [])
    in_database = apps.is_installed("django_celery_beat") and (
        "DatabaseScheduler" in command
        or "django_celery_beat" in command
        or "DatabaseScheduler" in str(app.conf.beat_scheduler)
    )

    return {
        "app": app.main,
        "time": moment.isoformat(),
        "timezone": str(app.timezone),
        "broker": broker,
        "queues": queues,
        "consumed": consumed
        and {worker: [queue["name"] for queue in items] for worker, items in consumed.items()},
        "registered": registered,
        "task_queues": {name: queue_of(app, name) for name in registered},
        **answers,
        "time_limits": {
            "task_time_limit": app.conf.task_time_limit,
            "task_soft_time_limit": app.conf.task_soft_time_limit,
            "tasks": {
                name: app.tasks[name].time_limit
                for name in registered
                if app.tasks[name].time_limit
            },
        },
        "beat": {
            "scheduler": "database" if in_database else "file",
            "entries": (entries_from_database if in_database else entries_from_code)(app, moment),
            "code": [item["name"] for item in entries_from_code(app, moment)],
        },
    }
