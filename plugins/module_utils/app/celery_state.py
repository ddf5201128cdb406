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

PRIORITY_SEPARATOR = "\x06\x16"
PRIORITIES = (3, 6, 9)


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


def redis_state(client, channel, names: list[str]) -> dict:
    """Lengths of the queues in Redis, by name and priority, and of what is not acknowledged."""
    import json

    for key in client.scan_iter("_kombu.binding.*"):
        for member in client.smembers(key):
            text = member.decode() if isinstance(member, bytes) else member
            names.append(text.split(PRIORITY_SEPARATOR)[-1])
    hidden = ("celeryev", ".pidbox")
    names = sorted({name for name in names if name and not any(part in name for part in hidden)})
    queues = {}
    for name in names:
        by_priority = {
            str(priority): client.llen(f"{name}{PRIORITY_SEPARATOR}{priority}")
            for priority in PRIORITIES
        }
        by_priority["0"] = client.llen(name)
        queues[name] = {
            "ready": sum(by_priority.values()),
            "priorities": {key: value for key, value in by_priority.items() if value},
            "unacked": 0,
        }
    for value in client.hvals(channel.unacked_key):
        _message, _exchange, queue = json.loads(value)
        queues.setdefault(queue, {"ready": 0, "priorities": {}, "unacked": 0})["unacked"] += 1
    return queues


def broker_state(app, consumed: dict | None) -> tuple[dict, dict]:
    """The broker (without its password) and its queues' lengths."""
    with app.connection_for_read() as connection:
        connection.ensure_connection(max_retries=1, timeout=5)
        info = {
            "transport": connection.transport.driver_type,
            "host": connection.hostname,
            "port": connection.port,
            "virtual_host": connection.virtual_host,
        }
        names = queue_names(app, consumed)
        channel = connection.default_channel
        if info["transport"] == "redis":
            return info, redis_state(channel.client, channel, names)
        queues = {}
        for name in names:
            try:
                declared = channel.queue_declare(name, passive=True)
                queues[name] = {"ready": declared.message_count, "priorities": {}, "unacked": 0}
            except connection.channel_errors:
                channel = connection.channel()
        return info, queues


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
        {app, timezone, time (of the reading), broker, queues, registered, task_queues, active,
        reserved, scheduled (None: no worker answered), time_limits, beat: {scheduler, entries}}
    """
    from datetime import datetime, timezone

    from django.apps import apps

    app = application(params.get("celery_app", ""))
    moment = datetime.now(timezone.utc)
    timeout = params.get("inspect_timeout", 2)
    consumed = app.control.inspect(timeout=timeout).active_queues()
    # With the number of workers known, the further questions end with the last answer.
    inspect = app.control.inspect(timeout=timeout, limit=len(consumed or {}) or None)
    broker, queues = broker_state(app, consumed)
    registered = sorted(name for name in app.tasks if not name.startswith("celery."))
    command = " ".join(params.get("beat_command") or [])
    in_database = apps.is_installed("django_celery_beat") and (
        "DatabaseScheduler" in command
        or "django_celery_beat" in command
        or "DatabaseScheduler" in str(app.conf.beat_scheduler)
    )

    def of_workers(answer: dict | None) -> dict | None:
        if answer is None:
            return None
        return {
            worker: [
                {"id": item.get("request", item)["id"], "task": item.get("request", item)["name"]}
                for item in items
            ]
            for worker, items in answer.items()
        }

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
        "active": of_workers(inspect.active()),
        "reserved": of_workers(inspect.reserved()),
        "scheduled": of_workers(inspect.scheduled()),
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
