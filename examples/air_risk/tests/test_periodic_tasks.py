"""The periodic tasks: those in code and those that stand in the tables only."""

from io import StringIO

from celery import current_app
from django.core.management import call_command
from django.test import TestCase
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_q.models import Schedule


class BeatScheduleTests(TestCase):
    """`app.conf.beat_schedule`."""

    def test_every_entry_names_a_task(self):
        current_app.loader.import_default_modules()
        for name, entry in current_app.conf.beat_schedule.items():
            with self.subTest(name):
                self.assertIn(entry["task"], current_app.tasks)


class SeedTests(TestCase):
    """`manage.py seed_periodic_tasks`."""

    def seed(self) -> str:
        out = StringIO()
        call_command("seed_periodic_tasks", stdout=out)
        return out.getvalue()

    def test_seed_twice(self):
        self.assertEqual(self.seed().count("made"), 4)
        self.assertEqual(self.seed().count("was there"), 4)
        self.assertEqual(PeriodicTask.objects.filter(enabled=True).count(), 2)
        self.assertEqual(PeriodicTask.objects.get(enabled=False).name, "legacy-nightly-report")
        self.assertEqual(
            str(PeriodicTask.objects.get(queue="gis").crontab.timezone), "Asia/Kolkata"
        )

    def test_native_schedule_does_not_run_at_once(self):
        self.seed()
        self.assertGreater(Schedule.objects.get().next_run, timezone.now())
