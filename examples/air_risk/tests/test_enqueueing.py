"""From a request, a command or a task to what is enqueued."""

from io import StringIO
from unittest import mock

from django.core.management import call_command
from django.test import TestCase
from kombu.exceptions import OperationalError

from air_quality.models import District, Reading, Station
from air_quality.tasks import process_data
from correction.tasks import retrain_all_models
from exposure.models import Estimate
from reports.tasks import generate_scheduled_reports
from tasks_api.enqueue import TASKS


class SubmitTests(TestCase):
    """`POST /tasks/`."""

    def post(self, **data):
        body = {"uid": "a-1", "task": "air_quality.tasks.test_task", **data}
        return self.client.post("/tasks/", body, content_type="application/json")

    @mock.patch("air_quality.tasks.test_task.apply_async")
    def test_accepted(self, send):
        send.return_value.id = "b-1"
        answer = self.post(seconds=0.5, queue="gis")
        self.assertEqual((answer.status_code, answer.json()["uid"]), (202, "a-1"))
        self.assertTrue(answer.json()["id"])
        kwargs = {"uid": "a-1", "seconds": 0.5}
        send.assert_called_once_with(args=[], kwargs=kwargs, countdown=None, queue="gis")

    @mock.patch("air_quality.tasks.test_task.apply_async")
    def test_refused(self, send):
        cases = ({"uid": ""}, {"args": [1, 2, 3]}, {"task": "air_quality.tasks.process_data"})
        for data in cases:
            with self.subTest(data):
                answer = self.post(**data)
                self.assertEqual(answer.status_code, 400)
                self.assertTrue(answer.json()["error"].endswith("."))
        self.assertEqual(self.client.get("/tasks/").status_code, 405)
        send.assert_not_called()

    @mock.patch(
        "air_quality.tasks.test_task.apply_async", side_effect=OperationalError("it is away")
    )
    def test_broker_away(self, send):
        answer = self.post()
        self.assertEqual(answer.status_code, 503)
        self.assertIn("away", answer.json()["error"])

    def test_every_name_is_its_function(self):
        for name, task in TASKS.items():
            self.assertEqual(f"{task.__module__}.{task.__name__}", name)


class ReadingTests(TestCase):
    """`POST /stations/<code>/readings/`."""

    body = {"taken_at": "2026-03-01T09:00:00+01:00", "millivolts": 60}

    def post(self, code="LOW-1", **data):
        return self.client.post(
            f"/stations/{code}/readings/?uid=a-1", {**self.body, **data}, "application/json"
        )

    @mock.patch("air_quality.tasks.process_data.delay")
    def test_processed_once_it_is_committed(self, delay):
        with self.captureOnCommitCallbacks() as callbacks:
            answer = self.post()
        self.assertEqual(answer.status_code, 202)
        delay.assert_not_called()
        [callback] = callbacks
        callback()
        delay.assert_called_once_with(answer.json()["reading"], uid="a-1")

    @mock.patch("air_quality.tasks.process_data.delay")
    def test_refused(self, delay):
        readings = Reading.objects.count()
        cases = ({"taken_at": "2026-03-01T09:00:00"}, {"millivolts": "60"}, {"volts": 1})
        with self.captureOnCommitCallbacks(execute=True):
            for data in cases:
                with self.subTest(data):
                    answer = self.post(**data)
                    self.assertEqual(answer.status_code, 400)
                    self.assertTrue(answer.json()["error"].endswith("."))
            self.assertEqual(self.post("LOW-99").status_code, 404)
        self.assertEqual(Reading.objects.count(), readings)
        delay.assert_not_called()


class CommandTests(TestCase):
    """Commands that enqueue tasks."""

    @mock.patch("exposure.tasks.calculate_district_exposure.delay")
    def test_every_district_gets_a_task(self, delay):
        call_command("calculate_exposure", stdout=StringIO())
        districts = District.objects.order_by("pk")
        self.assertEqual(delay.call_args_list, [mock.call(item.pk, uid=None) for item in districts])

    @mock.patch("exposure.tasks.calculate_district_exposure.delay")
    def test_here_and_now(self, delay):
        station = Station.objects.get(code="REF-1")
        station.measurement_set.create(day="2026-03-01", pm25=12.0)
        call_command("calculate_exposure", now=True, stdout=StringIO())
        self.assertEqual(Estimate.objects.get().district, station.district)
        delay.assert_not_called()

    def test_housekeeping(self):
        with mock.patch("air_quality.tasks.forget_old_readings.delay") as delay:
            call_command("housekeeping", stdout=StringIO())
        delay.assert_called_once_with()


class EnqueueingTaskTests(TestCase):
    """Tasks that enqueue tasks."""

    @mock.patch("correction.tasks.train_correction_model.delay")
    def test_retraining_enqueues_each_station(self, delay):
        self.assertEqual(retrain_all_models(), 3)
        low = Station.objects.filter(reference=False)
        self.assertEqual(delay.call_args_list, [mock.call(station.pk) for station in low])

    @mock.patch("reports.tasks.generate_report.apply_async")
    def test_scheduled_reports(self, send):
        self.assertEqual(generate_scheduled_reports(), 2)
        self.assertEqual(send.call_count, 2)
        send.assert_any_call(args=["daily"], countdown=1)

    def test_a_reading_that_is_not_there(self):
        with self.assertRaises(Reading.DoesNotExist):
            process_data(10_000)
