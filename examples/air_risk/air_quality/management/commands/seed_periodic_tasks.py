"""`manage.py seed_periodic_tasks`: what people once clicked together in the admin.

Three rows of django-celery-beat that stand in its tables only (one with a time zone of
its own, one switched off), and Django-Q's own schedule. The four entries of
`app.conf.beat_schedule` are not made here: DatabaseScheduler copies them when beat starts.
"""

import json
from zoneinfo import ZoneInfo

from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import transaction
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask


class Command(BaseCommand):
    """Make the rows that stand in the database only; those that are there stay."""

    help = __doc__

    def handle(self, *args: object, **options: object) -> None:
        """Seed and say what was done."""
        with transaction.atomic():
            for name, row in self.rows().items():
                _, created = PeriodicTask.objects.get_or_create(name=name, defaults=row)
                self.stdout.write(f"{name}: {'made' if created else 'was there'}")
        call_command("seed_native_schedule", stdout=self.stdout)

    def rows(self) -> dict[str, dict[str, object]]:
        """Give each row's fields by its name, making the schedules that they refer to."""
        ten_minutes, _ = IntervalSchedule.objects.get_or_create(
            every=10, period=IntervalSchedule.MINUTES
        )
        # India knows no summer time: its offset of +05:30 is the same all year
        kolkata_morning, _ = CrontabSchedule.objects.get_or_create(
            minute="15", hour="7", timezone=ZoneInfo("Asia/Kolkata")
        )
        nightly, _ = CrontabSchedule.objects.get_or_create(
            minute="45", hour="23", timezone=ZoneInfo("UTC")
        )
        return {
            "hotspots-every-10-minutes": {
                "task": "exposure.tasks.detect_hotspots",
                "interval": ten_minutes,
                "kwargs": json.dumps({"threshold": 15.0}),
                "description": "Asked for by the health department.",
            },
            "kolkata-morning-exposure": {
                "task": "exposure.tasks.calculate_district_exposure",
                "crontab": kolkata_morning,
                "args": json.dumps([1]),
                "queue": "gis",
                "description": "07:15 for the office in Kolkata.",
            },
            "legacy-nightly-report": {
                "task": "reports.tasks.generate_report",
                "crontab": nightly,
                "args": json.dumps(["daily"]),
                "enabled": False,
                "description": "Replaced by daily-scheduled-reports; kept for its history.",
            },
        }
