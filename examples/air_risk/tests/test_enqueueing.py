"""From a request or a task to a message in Celery's broker."""

from queue import Empty
from unittest import mock

from celery import current_app
from celery.exceptions import Retry
from django.test import TestCase
from kombu import Connection
from kombu.transport.memory import Channel

from air_quality.models import Station
from air_quality.tasks import process_data
from correction.tasks import retrain_all_models
from reports.tasks import generate_scheduled_reports
from tasks_api.enqueue import QUEUES, TASKS


class CeleryCase(TestCase):
    """A test with kombu's broker in memory."""

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


class SubmitTests(CeleryCase):
    """`POST /tasks/`."""

    def post(self, **data):
        body = {"uid": "a-1", "task": "air_quality.tasks.test_task", **data}
        return self.client.post("/tasks/", body, content_type="application/json")

    def test_accepted(self):
        answer = self.post(seconds=0.5)
        self.assertEqual(answer.status_code, 202)
        [(queue, headers, args, kwargs)] = self.messages()
        self.assertEqual(queue, "default")
        self.assertEqual(headers["id"], answer.json()["id"])
        self.assertEqual(headers["task"], "air_quality.tasks.test_task")
        self.assertIsNone(headers["eta"])
        self.assertEqual((args, kwargs), ([], {"uid": "a-1", "seconds": 0.5}))

    def test_own_queue_and_another(self):
        self.post(task="air_quality.tasks.process_data", args=[1])
        self.post(queue="gis")
        self.post(task="air_quality.tasks.process_data", args=[1], queue="default")
        queues = [(queue, headers["task"][-9:]) for queue, headers, _, _ in self.messages()]
        self.assertEqual(
            sorted(queues), [("default", "cess_data"), ("gis", "cess_data"), ("gis", "test_task")]
        )

    def test_countdown(self):
        self.post(countdown=60)
        [(_, headers, _, _)] = self.messages()
        self.assertIsNotNone(headers["eta"])

    def test_every_name_is_its_task(self):
        for name, task in TASKS.items():
            self.assertEqual(task.name, name)

    def test_refused(self):
        cases = ({"uid": ""}, {"args": [1, 2, 3]}, {"task": "air_quality.tasks.process_data"})
        for data in cases:
            with self.subTest(data):
                answer = self.post(**data)
                self.assertEqual(answer.status_code, 400)
                self.assertTrue(answer.json()["error"].endswith("."))
        self.assertEqual(self.client.get("/tasks/").status_code, 405)
        self.assertEqual(self.messages(), [])

    def test_broker_away(self):
        error = Connection("memory://").connection_errors[0]("away")
        with mock.patch.object(Channel, "_put", side_effect=error):
            answer = self.post()
        self.assertEqual(answer.status_code, 503)
        self.assertIn("away", answer.json()["error"])


class EnqueueingTaskTests(CeleryCase):
    """Tasks that enqueue tasks."""

    def test_retraining_enqueues_each_station(self):
        low = list(Station.objects.filter(reference=False).values_list("pk", flat=True))
        self.assertEqual(retrain_all_models(), 3)
        sent = [(queue, args) for queue, _, args, _ in self.messages()]
        self.assertEqual(sorted(sent), [("gis", [pk]) for pk in low])

    def test_reports_are_enqueued_a_second_later(self):
        self.assertEqual(generate_scheduled_reports(), 2)
        sent = self.messages()
        self.assertEqual(sorted(args for _, _, args, _ in sent), [["daily"], ["weekly"]])
        self.assertTrue(all(headers["eta"] for _, headers, _, _ in sent))

    def test_a_reading_that_is_not_there_is_tried_again(self):
        result = process_data.apply(args=[10_000], kwargs={"uid": "a-1"}, retries=2)
        self.assertEqual(result.state, "FAILURE")
        process_data.push_request(id="x", args=[10_000], kwargs={}, called_directly=False)
        self.addCleanup(process_data.pop_request)
        with self.assertRaises(Retry):
            process_data.run(10_000)
        [(queue, headers, args, _)] = self.messages()
        self.assertEqual((queue, args, headers["retries"]), ("gis", [10_000], 1))
