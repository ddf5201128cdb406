"""What belongs to Celery alone: its messages, beat's schedule, the rows of its tables."""

from io import StringIO
from queue import Empty

from celery import current_app
from celery.exceptions import Retry
from django.core.management import call_command
from django.test import TestCase
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_q.models import Schedule
from kombu import Connection

from air_quality.tasks import process_data
from reports.tasks import generate_scheduled_reports
from tasks_api.enqueue import QUEUES, TASKS


class MessageTests(TestCase):
    """What reaches kombu's broker in memory."""

    def setUp(self):
        if current_app.conf.broker_url != "memory://":
            self.fail("Run with --settings air_risk.settings_test: this broker is a real one.")
        self.messages()

    def messages(self) -> list[tuple[str, dict, list, dict]]:
        """Take all messages: queue, headers, positional and keyword arguments."""
        taken = []
        with Connection("memory://") as connection:
            for name in QUEUES:
                queue = connection.SimpleQueue(name)
                while True:
                    try:
                        message = queue.get(block=False)
                    except Empty:
                        break
                    message.ack()
                    args, kwargs, _ = message.payload
                    taken.append((name, message.headers, args, kwargs))
                queue.close()
        return taken

    def post(self, **data):
        body = {"uid": "a-1", "task": "air_quality.tasks.test_task", **data}
        return self.client.post("/tasks/", body, content_type="application/json")

    def test_a_submission(self):
        answer = self.post(seconds=0.5)
        [(queue, headers, args, kwargs)] = self.messages()
        self.assertEqual(queue, "default")
        self.assertEqual(headers["id"], answer.json()["id"])
        self.assertEqual(headers["task"], "air_quality.tasks.test_task")
        self.assertIsNone(headers["eta"])
        self.assertEqual((args, kwargs), ([], {"uid": "a-1", "seconds": 0.5}))

    def test_a_submission_for_later(self):
        self.post(countdown=60)
        [(_, headers, _, _)] = self.messages()
        self.assertIsNotNone(headers["eta"])

    def test_own_queue_and_another(self):
        self.post(task="air_quality.tasks.process_data", args=[1])
        self.post(queue="gis")
        self.post(task="air_quality.tasks.process_data", args=[1], queue="default")
        queues = [(queue, headers["task"][-9:]) for queue, headers, _, _ in self.messages()]
        self.assertEqual(
            sorted(queues), [("default", "cess_data"), ("gis", "cess_data"), ("gis", "test_task")]
        )

    def test_reports_are_sent_a_second_later(self):
        generate_scheduled_reports()
        self.assertTrue(all(headers["eta"] for _, headers, _, _ in self.messages()))

    def test_a_retry_is_a_message_with_its_count(self):
        process_data.push_request(id="x", args=[10_000], kwargs={}, called_directly=False)
        self.addCleanup(process_data.pop_request)
        with self.assertRaises(Retry):
            process_data.run(10_000)
        [(queue, headers, args, _)] = self.messages()
        self.assertEqual((queue, args, headers["retries"]), ("gis", [10_000], 1))

    def test_publishing_is_a_chain(self):
        call_command("publish_report", "daily", stdout=StringIO())
        with Connection("memory://") as connection:
            message = connection.SimpleQueue("default").get(block=False)
        message.ack()
        self.assertEqual(message.headers["task"], "reports.tasks.generate_report")
        [rest] = message.payload[2]["chain"]
        self.assertEqual((rest["task"], rest["args"]), ("reports.tasks.send_report", ["daily"]))

    def test_every_name_is_its_task(self):
        for name, task in TASKS.items():
            self.assertEqual(task.name, name)


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
