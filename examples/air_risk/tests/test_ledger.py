"""The ledger: whose process it is, what is recorded when, and reading it."""

from unittest import mock

from django.db import OperationalError, connection
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from django.utils import timezone

from ledger import recorder
from ledger.engine import engine_of
from ledger.models import Execution
from ledger.recorder import recorded

COMMAND_LINES = {
    "celery": [
        ["/usr/local/bin/celery", "-A", "air_risk", "worker", "-Q", "gis,default"],
        ["/usr/lib/python3/site-packages/celery/__main__.py", "-A", "air_risk", "worker"],
    ],
    "django_q": [
        ["manage.py", "qcluster"],
        ["/app/manage.py", "qcluster", "--settings", "air_risk.settings"],
        ["/usr/lib/python3/site-packages/django/__main__.py", "qcluster"],
    ],
    "inline": [
        [],
        [""],
        ["manage.py", "shell"],
        ["/usr/local/bin/gunicorn", "air_risk.wsgi:application"],
    ],
}


class EngineTests(SimpleTestCase):
    """A process is known by its command line."""

    def test_command_lines(self):
        for engine, command_lines in COMMAND_LINES.items():
            for argv in command_lines:
                with self.subTest(argv):
                    self.assertEqual(engine_of(argv), engine)


class Away:
    """A database that is away for the first statements."""

    def __init__(self, statements: int, after: bool = False):
        """Fail `statements` times; `after`: when the statement was carried out."""
        self.statements = statements
        self.after = after

    def __call__(self, execute, sql, params, many, context):
        """Wrap one statement, as connection.execute_wrapper asks for it."""
        if self.after and sql.startswith("INSERT"):
            execute(sql, params, many, context)
        if self.statements and (sql.startswith("INSERT") or not self.after):
            self.statements -= 1
            raise OperationalError("the database is away")
        return execute(sql, params, many, context)


class RecordedTests(TransactionTestCase):
    """`recorded` writes the start at once and the end whatever happens."""

    def test_start_is_there_while_the_body_runs(self):
        with recorded("app.tasks.one", "a-1") as uid:
            run = Execution.objects.get(uid="a-1")
            self.assertEqual((uid, run.task, run.engine), ("a-1", "app.tasks.one", "inline"))
            self.assertIsNone(run.finished_at)
            self.assertFalse(connection.in_atomic_block)
        run = Execution.objects.get(uid="a-1")
        self.assertGreaterEqual(run.finished_at, run.started_at)

    def test_seconds_stretch_the_run(self):
        with recorded("app.tasks.one", "a-1", seconds=0.05):
            pass
        run = Execution.objects.get(uid="a-1")
        self.assertGreaterEqual((run.finished_at - run.started_at).total_seconds(), 0.05)

    def test_a_run_without_a_name_gets_one(self):
        with recorded("app.tasks.one"), recorded("app.tasks.one"):
            pass
        first, second = Execution.objects.values_list("uid", flat=True)
        self.assertTrue(first.startswith("auto-"))
        self.assertNotEqual(first, second)

    def test_an_exception_ends_a_run_too(self):
        with self.assertRaises(ZeroDivisionError), recorded("app.tasks.one", "a-1"):
            raise ZeroDivisionError
        self.assertIsNotNone(Execution.objects.get(uid="a-1").finished_at)

    def test_a_second_run_of_a_uid_has_a_row_of_its_own(self):
        for _ in range(2):
            with recorded("app.tasks.one", "a-1"):
                pass
        self.assertEqual(Execution.objects.filter(uid="a-1").count(), 2)

    def test_the_database_comes_back(self):
        with (
            mock.patch.object(recorder, "PAUSE_SECONDS", 0),
            connection.execute_wrapper(Away(statements=2)),
            recorded("app.tasks.one", "a-1"),
        ):
            pass
        self.assertIsNotNone(Execution.objects.get(uid="a-1").finished_at)

    def test_a_start_whose_answer_was_lost_counts_once(self):
        with mock.patch.object(recorder, "PAUSE_SECONDS", 0):
            context = recorded("app.tasks.one", "a-1")
            with connection.execute_wrapper(Away(statements=1, after=True)):
                context.__enter__()
            context.__exit__(None, None, None)
        self.assertEqual(Execution.objects.filter(uid="a-1").count(), 1)

    def test_the_database_stays_away(self):
        with (
            mock.patch.multiple(recorder, PATIENCE_SECONDS=0, PAUSE_SECONDS=0),
            connection.execute_wrapper(Away(statements=100)),
            self.assertRaisesRegex(OperationalError, "away"),
            recorded("app.tasks.one", "a-1"),
        ):
            self.fail("a run that cannot be recorded must not run")


class LedgerViewTests(TestCase):
    """`GET /ledger/`."""

    def setUp(self):
        for uid in ("a-1", "a-2", "a-1"):
            Execution(uid=uid, task="t", engine="celery", started_at=timezone.now()).save(
                force_insert=True
            )

    def uids(self, query: str = "") -> list[str]:
        answer = self.client.get(f"/ledger/{query}").json()
        return [run["uid"] for run in answer["executions"]]

    def test_the_latest_first(self):
        self.assertEqual(self.uids(), ["a-1", "a-2", "a-1"])

    def test_one_uid(self):
        self.assertEqual(self.uids("?uid=a-1"), ["a-1", "a-1"])
        self.assertEqual(self.uids("?uid=a-3"), [])

    def test_limit(self):
        self.assertEqual(self.uids("?limit=1"), ["a-1"])
        for limit in ("0", "-1", "x", "1e3", "²", "10001"):
            with self.subTest(limit):
                self.assertEqual(self.client.get(f"/ledger/?limit={limit}").status_code, 400)

    def test_reading_only(self):
        self.assertEqual(self.client.post("/ledger/").status_code, 405)


class HealthTests(TestCase):
    """`GET /health/` is as well as the database is."""

    def test_well(self):
        self.assertEqual(self.client.get("/health/").json(), {"status": "ok"})

    def test_no_database(self):
        with connection.execute_wrapper(Away(statements=1)):
            answer = self.client.get("/health/")
        self.assertEqual(answer.status_code, 503)
