"""`POST /districts/<id>/exposure/`: the job that is Django-Q's own in both states."""

from django.test import TestCase
from django_q.models import OrmQ


class RecalculateTests(TestCase):
    """The request leaves one row in Django-Q's queue."""

    def test_enqueued(self):
        answer = self.client.post("/districts/1/exposure/?uid=a-1&seconds=2")
        self.assertEqual(answer.status_code, 202)
        row = OrmQ.objects.get()
        self.assertEqual(row.task_id(), answer.json()["id"])
        self.assertEqual(row.func(), "exposure.jobs.recalculate_district")
        self.assertEqual((row.args(), row.kwargs()), ((1,), {"seconds": 2, "uid": "a-1"}))

    def test_refused(self):
        self.assertEqual(self.client.post("/districts/99/exposure/").status_code, 404)
        for seconds in ("x", "-1", "1.5", "99999", ""):
            answer = self.client.post(f"/districts/1/exposure/?seconds={seconds}")
            self.assertEqual(answer.status_code, 400, seconds)
        self.assertEqual(self.client.get("/districts/1/exposure/").status_code, 405)
        self.assertFalse(OrmQ.objects.exists())
