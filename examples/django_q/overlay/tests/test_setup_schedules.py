"""`manage.py setup_schedules`."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from unittest import mock

from django.core.management import CommandError, call_command
from django.test import TestCase, TransactionTestCase
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from air_quality.management.commands import setup_schedules
from air_risk.schedules import SCHEDULES
from exposure import schedules as native

WRONG = {
    "no function": ({"func": "correction.tasks.retrain"}, "no function correction.tasks.retrain"),
    "no module": ({"func": "corrections.retrain"}, "no function corrections.retrain"),
    "no callable": ({"func": "reports.tasks.DAYS"}, "no function reports.tasks.DAYS"),
    "arguments missing": ({"func": "reports.tasks.generate_report"}, "'kind'"),
    "a bad cron": ({"cron": "0 25 * * *"}, "daily-ingestion-pipeline: "),
    "no queue": ({"queue": "celery"}, "no queue celery"),
    "a name given twice": ({"name": "daily-scheduled-reports"}, "named twice"),
    "a name too long": ({"name": "a" * 101}, "100 characters"),
}


def run(**options: bool) -> str:
    """Run the command and give what it printed."""
    out = StringIO()
    call_command("setup_schedules", stdout=out, **options)
    return out.getvalue()


def rows() -> list[dict]:
    """Give every row of the table."""
    return list(Schedule.objects.order_by("pk").values())


class SetupSchedulesTests(TestCase):
    """Made once, never run by being made, all or none."""

    def test_makes_every_schedule_in_the_future(self):
        self.assertEqual(run().count("made"), len(SCHEDULES))
        for schedule in SCHEDULES:
            row = Schedule.objects.get(name=schedule.name)
            self.assertEqual((row.func, row.cron, row.repeats), (schedule.func, schedule.cron, -1))
            self.assertGreater(row.next_run, timezone.now())

    def test_a_second_run_changes_nothing(self):
        run()
        before = rows()
        self.assertEqual(run().count("as it was"), len(SCHEDULES))
        self.assertEqual(rows(), before)

    def test_corrects_a_row_and_its_next_run(self):
        run()
        name = SCHEDULES[0].name
        Schedule.objects.filter(name=name).update(cron="0 0 1 1 *", func="x.y", repeats=0)
        next_run = Schedule.objects.get(name=SCHEDULES[1].name).next_run
        self.assertEqual(run().count("corrected"), 1)
        row = Schedule.objects.get(name=name)
        self.assertEqual(
            (row.func, row.cron, row.repeats), (SCHEDULES[0].func, SCHEDULES[0].cron, 0)
        )
        self.assertLess(row.next_run, timezone.now() + timedelta(days=1))
        self.assertEqual(Schedule.objects.get(name=SCHEDULES[1].name).next_run, next_run)

    def test_the_applications_own_rows_are_left_alone(self):
        native.seed()
        before = rows()
        run(park=True)
        self.assertEqual(rows()[:1], before)

    def test_wrong_rows_save_none(self):
        for name, (change, sentence) in WRONG.items():
            wrong = (replace(SCHEDULES[0], **change), *SCHEDULES[1:])
            with (
                self.subTest(name),
                mock.patch.object(setup_schedules, "SCHEDULES", wrong),
                self.assertRaisesRegex(CommandError, sentence),
            ):
                run()
            self.assertEqual(rows(), [])

    def test_every_fault_is_told_at_once(self):
        wrong = tuple(replace(schedule, func="x.y", cron="x") for schedule in SCHEDULES)
        with (
            mock.patch.object(setup_schedules, "SCHEDULES", wrong),
            self.assertRaises(CommandError) as caught,
        ):
            run(check=True)
        self.assertEqual(str(caught.exception).count("no function"), len(SCHEDULES))

    def test_two_rows_of_one_name(self):
        for _ in range(2):
            Schedule.objects.create(name=SCHEDULES[-1].name, func="x.y", schedule_type="D")
        with self.assertRaisesRegex(CommandError, "2 rows have this name"):
            run()
        self.assertEqual(len(rows()), 2)

    def test_check_saves_nothing(self):
        self.assertIn("sound", run(check=True))
        self.assertEqual(rows(), [])


class SchedulerTests(TransactionTestCase):
    """What Django-Q's own scheduler does with the rows; it wants its transactions itself."""

    def test_made_is_not_run(self):
        run()
        scheduler()
        self.assertFalse(OrmQ.objects.exists())

    def test_parked_stays_parked_until_unparked(self):
        run(park=True)
        Schedule.objects.update(next_run=timezone.now() - timedelta(days=1))
        self.assertEqual(run().count("parked"), len(SCHEDULES))
        scheduler()
        self.assertFalse(OrmQ.objects.exists())
        run(unpark=True)
        self.assertEqual({row["repeats"] for row in rows()}, {-1})
        self.assertTrue(all(row["next_run"] > timezone.now() for row in rows()))

    def test_a_due_row_is_enqueued_once(self):
        run()
        due = Schedule.objects.get(name=SCHEDULES[0].name)
        Schedule.objects.filter(pk=due.pk).update(next_run=timezone.now() - timedelta(days=3))
        for _ in range(2):
            scheduler()
        self.assertEqual([row.func() for row in OrmQ.objects.all()], [SCHEDULES[0].func])
