"""From a request or a task to a row of Django-Q's queue."""

from datetime import timedelta
from unittest import mock

from django.db import OperationalError, connection
from django.test import TestCase
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.utils import get_func_repr

from air_quality.models import Reading, Station
from air_quality.tasks import process_data
from air_risk.queue import enqueue
from air_risk.settings import Q_CLUSTER, TASK_CLUSTERS
from correction.tasks import retrain_all_models
from reports.tasks import generate_scheduled_reports
from tasks_api.enqueue import OWN_QUEUES, QUEUES, TASKS


def queued() -> list[tuple[str, tuple, dict]]:
    """Give function, positional and keyword arguments of every row."""
    rows = OrmQ.objects.order_by("pk")
    return [(row.func(), tuple(row.args()), row.kwargs()) for row in rows]


class SettingsTests(TestCase):
    """`Q_CLUSTER` keeps the promises that its comments make."""

    def test_retry_exceeds_the_longest_wait_of_a_locked_row(self):
        for cluster in (Q_CLUSTER, *Q_CLUSTER["ALT_CLUSTERS"].values()):
            rounds = -(-(cluster["queue_limit"] + 1) // cluster["workers"]) + 1
            self.assertGreater(cluster["retry"], rounds * cluster["timeout"] + 3)

    def test_a_failed_task_is_done(self):
        self.assertTrue(Conf.ACK_FAILURES)
        enqueue("air_quality.tasks.test_task")
        self.assertTrue(OrmQ.objects.get().task["ack_failure"])


class EnqueueTests(TestCase):
    """`air_risk.queue.enqueue`."""

    def test_a_delay_is_the_lock_of_the_row(self):
        before = timezone.now()
        task_id = enqueue("air_quality.tasks.test_task", countdown=60, kwargs={"uid": "a-1"})
        row = OrmQ.objects.get()
        self.assertGreaterEqual(row.lock, before + timedelta(seconds=60))
        self.assertLess(row.lock, timezone.now() + timedelta(seconds=60))
        self.assertEqual((row.task_id(), row.key), (task_id, "air_risk"))

    def test_both_ways_make_the_same_package(self):
        enqueue("air_quality.tasks.test_task", 1, kwargs={"uid": "a-1"})
        enqueue("air_quality.tasks.test_task", 1, countdown=60, kwargs={"uid": "a-1"})
        now, later = OrmQ.objects.order_by("pk")
        own = ("id", "name", "started")
        packages = [
            {key: value for key, value in row.task.items() if key not in own}
            for row in (now, later)
        ]
        self.assertEqual(*packages)
        self.assertEqual(now.key, later.key)

    def test_a_queue_with_a_cluster_of_its_own(self):
        with mock.patch.dict(TASK_CLUSTERS, gis="gis"), self.settings(TASK_CLUSTERS=TASK_CLUSTERS):
            enqueue("air_quality.tasks.test_task", queue="gis")
            enqueue("air_quality.tasks.test_task", queue="gis", countdown=60)
            enqueue("air_quality.tasks.test_task")
        self.assertEqual(
            list(OrmQ.objects.order_by("pk").values_list("key", flat=True)),
            ["gis", "gis", "air_risk"],
        )

    def test_no_such_queue(self):
        with self.assertRaises(KeyError):
            enqueue("air_quality.tasks.test_task", queue="celery")


class SubmitTests(TestCase):
    """`POST /tasks/`."""

    def post(self, **data):
        body = {"uid": "a-1", "task": "air_quality.tasks.test_task", **data}
        return self.client.post("/tasks/", body, content_type="application/json")

    def test_accepted(self):
        answer = self.post(seconds=0.5)
        self.assertEqual(answer.status_code, 202)
        self.assertEqual(
            queued(), [("air_quality.tasks.test_task", (), {"uid": "a-1", "seconds": 0.5})]
        )
        self.assertEqual(OrmQ.objects.get().task_id(), answer.json()["id"])

    def test_countdown(self):
        self.post(task="air_quality.tasks.process_data", args=[1], countdown=60)
        self.assertGreater(OrmQ.objects.get().lock, timezone.now() + timedelta(seconds=50))

    def test_every_name_is_its_function(self):
        for name, function in TASKS.items():
            self.assertEqual(get_func_repr(function), name)
        self.assertLessEqual(set(OWN_QUEUES), set(TASKS))
        self.assertEqual(set(QUEUES), set(TASK_CLUSTERS))

    def test_refused(self):
        cases = ({"uid": ""}, {"args": [1, 2, 3]}, {"task": "air_quality.tasks.process_data"})
        for data in cases:
            with self.subTest(data):
                answer = self.post(**data)
                self.assertEqual(answer.status_code, 400)
                self.assertTrue(answer.json()["error"].endswith("."))
        self.assertEqual(self.client.get("/tasks/").status_code, 405)
        self.assertEqual(queued(), [])

    def test_database_away(self):
        def away(*_):
            raise OperationalError("away")

        with connection.execute_wrapper(away):
            answer = self.post()
        self.assertEqual(answer.status_code, 503)
        self.assertIn("away", answer.json()["error"])


class EnqueueingTaskTests(TestCase):
    """Tasks that enqueue tasks."""

    def test_retraining_enqueues_each_station(self):
        low = list(Station.objects.filter(reference=False).values_list("pk", flat=True))
        self.assertEqual(retrain_all_models(), 3)
        name = "correction.tasks.train_correction_model"
        self.assertEqual(queued(), [(name, (pk,), {}) for pk in low])

    def test_reports_are_enqueued_a_second_later(self):
        self.assertEqual(generate_scheduled_reports(), 2)
        self.assertEqual([args for _, args, _ in queued()], [("daily",), ("weekly",)])
        self.assertEqual(OrmQ.objects.filter(lock__gt=timezone.now()).count(), 2)

    def test_a_reading_that_is_not_there_is_tried_twice_again(self):
        self.assertIsNone(process_data(10_000, uid="a-1"))
        [(name, args, kwargs)] = queued()
        self.assertEqual((name, args), ("air_quality.tasks.process_data", (10_000,)))
        self.assertEqual((kwargs["uid"], kwargs["retries"]), ("a-1", 1))
        process_data(*args, **kwargs)
        with self.assertRaises(Reading.DoesNotExist):
            process_data(*args, **{**kwargs, "retries": 2})
        self.assertEqual(len(queued()), 2)
