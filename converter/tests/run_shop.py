"""Runs in the converted shop: sends everything, lets Django-Q2's own worker run it, prints JSON.

Started by test_converted_project.py in a process of its own.
"""

import inspect
import json
import os
import sys
from datetime import timedelta
from io import StringIO
from multiprocessing import Queue, Value
from unittest import mock

os.environ["DJANGO_SETTINGS_MODULE"] = "shop.settings"
sys.path.insert(0, os.getcwd())

import django

django.setup()

from django.core.management import call_command
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from django_q.monitor import monitor
from django_q.signing import SignedPackage
from django_q.worker import worker
from mail import tasks

call_command("migrate", verbosity=0)


def run_due(now=None):
    """Let the worker run what is due, one row after the other, as a cluster would."""
    for row in OrmQ.objects.filter(lock__lte=now or timezone.now()).order_by("id"):
        todo, done = Queue(), Queue()
        package = SignedPackage.loads(row.payload)
        package["ack_id"] = row.pk
        todo.put(package)
        todo.put("STOP")
        worker(todo, done, Value("f", -1), timeout=-1)
        done.put("STOP")
        monitor(done)
        assert not OrmQ.objects.filter(pk=row.pk).exists(), (package["func"], "not acknowledged")


report = {}
with (
    mock.patch("django_q.worker.close_old_django_connections"),
    mock.patch("django_q.monitor.close_old_django_connections"),
):
    report["signature"] = str(inspect.signature(tasks.again))
    tasks.send_all()
    report["keys"] = sorted(OrmQ.objects.values_list("key", flat=True).distinct())
    for _ in range(4):
        run_due()
    report["first"] = [list(run) if isinstance(run, tuple) else run for run in tasks.RUNS]
    report["waiting"] = sorted(
        [
            SignedPackage.loads(row.payload)["func"],
            round((row.lock - timezone.now()).total_seconds()),
        ]
        for row in OrmQ.objects.all()
    )
    tasks.RUNS.clear()
    for _ in range(3):
        run_due(timezone.now() + timedelta(seconds=30))
    report["later"] = [list(run) if isinstance(run, tuple) else run for run in tasks.RUNS]
    report["failures"] = sorted(Task.objects.filter(success=False).values_list("func", flat=True))
    from shop.q_tasks import patch_task

    with patch_task("mail.tasks.plain") as patched:
        tasks.send_all()
    report["patched"] = len(patched.call_args_list)
    OrmQ.objects.all().delete()

output = []
for options in ([], ["--park"], [], ["--unpark"], ["--check"]):
    out = StringIO()
    call_command("setup_schedules", *options, stdout=out)
    output.append(out.getvalue().splitlines())
    rows = Schedule.objects.order_by("name")
    output.append([[row.name, row.repeats, row.next_run > timezone.now()] for row in rows])
report["setup"] = output
report["rows"] = [
    [row.name, row.func, row.cron, row.minutes, row.args, row.cluster]
    for row in Schedule.objects.order_by("name")
]
Schedule.objects.all().delete()
from mail.management.commands import setup_schedules

bad = (*setup_schedules.SCHEDULES, setup_schedules.Row(name="bad", func="mail.gone", minutes=5))
with mock.patch.object(setup_schedules, "SCHEDULES", bad):
    try:
        call_command("setup_schedules")
    except Exception as error:
        report["refused"] = [type(error).__name__, str(error), Schedule.objects.count()]
print("REPORT" + json.dumps(report))
