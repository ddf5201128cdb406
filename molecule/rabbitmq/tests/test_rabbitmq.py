"""Workers leave RabbitMQ's queues empty; what would have to be moved is refused, or goes back."""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import pytest
from testbed import door, hosts, playbooks, standing
from testbed.air_risk import AirRisk
from testbed.console import wait_until
from testbed.load import Load

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
USERS = {"rate": 4, "seconds": "0:0.2", "countdown_share": 0.25, "countdown": "1:20"}
RUSH = {"count": 80, "rate": 80, "seconds": 0.3, "countdown_share": 0}
#: Longer than `celery_drain_timeout` in the test that does not want to wait for it.
LATER = {"count": 4, "rate": 20, "seconds": 0, "countdown_share": 1, "countdown": "90:95"}
SHORT = 20
#: Rows of Django-Q that nobody runs: its queue is told in the test that makes them.
ENQUEUE = """
from datetime import timedelta
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

for index in range(30):
    options = {"cluster": "held"}
    async_task("air_quality.tasks.test_task", uid=f"UID{index}", q_options=options)
rows = OrmQ.objects.filter(key="held")
rows.filter(pk__in=list(rows.order_by("pk").values_list("pk", flat=True)[::3])).update(
    lock=timezone.now() + timedelta(seconds=20)
)
print(rows.count())
"""
ROWS = "SELECT count(*) FROM django_q_ormq WHERE key = 'held'"
QUEUES = ("exec", "-T", "rabbitmq", "rabbitmqctl", "-q", "list_queues", "name")


def ended(app: AirRisk, load: Load) -> bool:
    """Whether all tasks of a load have ended."""
    uids = {row["uid"] for row in app.ledger() if row["finished_at"]}
    return {row["uid"] for row in load.submissions()} <= uids


def test_the_preflight_says_beforehand_what_will_happen() -> None:
    status, text = playbooks.run(INVENTORY, "preflight")
    assert status == 0, text
    said = playbooks.words(text)
    assert "WARNING broker_transport found Celery's broker is RabbitMQ" in said
    assert "nothing can be moved from here" in said
    assert "before the workers are stopped they run all of it" in said


@pytest.fixture(scope="module")
def later(host: hosts.Host) -> Load:
    """Tasks that Celery's worker holds until they are due."""
    load = Load(host, "later")
    load.start(**LATER)
    load.stop()
    return load


def test_a_countdown_that_outlives_the_drain_is_refused_beforehand(
    later: Load, app: AirRisk
) -> None:
    before = app.services()
    status, text = playbooks.run(INVENTORY, "migrate", celery_drain_timeout=SHORT)
    assert status != 0
    assert "ERROR countdown_outlives_drain" in text
    late = f"due later than celery_drain_timeout ({SHORT} s) allows"
    assert late in playbooks.words(text)
    assert "Nothing was changed" in text
    assert app.services() == before


def test_a_move_back_that_is_killed_again_and_again_sends_each_once(
    host: hosts.Host, app: AirRisk
) -> None:
    """Workers take the messages meanwhile; a look into Celery's queues would not find them."""
    uid = f"killed-{time.time():.0f}-"
    assert app.python("celery_worker", ENQUEUE.replace("UID", uid)) == "30"
    params = {
        "run_id": "killed",
        "celery_app": "",
        "names": {},
        "clusters": {"gis": "held", "default": ""},
        "native": [],
        "abandoned_before": "",
    }
    places, kills = random.Random(11), 0
    for _ in range(8):
        try:
            door.call(
                host,
                "celery_move_back",
                params,
                service="celery_worker",
                last=places.randint(10, 70),
            )
        except door.Ended:
            kills += 1
    report, _ = door.call(host, "celery_move_back", params, service="celery_worker")
    assert kills >= 4
    assert (report["native"], report["unmovable"]) == (0, [])
    assert app.sql(ROWS) == [["0"]]
    assert "cutover" not in app.compose(*QUEUES)

    def rows() -> list[dict[str, Any]]:
        return [row for row in app.ledger() if row["uid"].startswith(uid)]

    wait_until("all rows to have run", lambda: len(rows()) >= 30, timeout=120, interval=1)
    assert sorted(row["uid"] for row in rows()) == sorted(f"{uid}{index}" for index in range(30))
    assert {row["engine"] for row in rows()} == {"celery"}


@pytest.fixture(scope="module")
def refused(host: hosts.Host, app: AirRisk, later: Load) -> tuple[list[Load], str]:
    """A migration that finds something too late, and stops there; the loads, what it printed."""
    wait_until("the end of the countdowns", lambda: ended(app, later), timeout=180, interval=1)
    users, rush, due = (Load(host, name) for name in ("forward", "forward-rush", "forward-due"))
    users.start(**USERS)
    options = {"celery_drain_timeout": SHORT, "cutover_auto_rollback": False}
    process = playbooks.start(INVENTORY, "migrate", **options)
    try:
        # After the preflight, and while web sends to Celery: the worker holds what is due later.
        playbooks.await_phase(app, "qcluster")
        rush.start(**RUSH)
        due.start(**LATER)
        text, _ = process.communicate(timeout=playbooks.RUN_SECONDS)
    finally:
        rush.stop()
        due.stop()
    assert process.returncode != 0
    return [users, rush, due], playbooks.words(text)


def test_what_comes_too_late_to_be_refused_is_not_moved(
    refused: tuple[list[Load], str], app: AirRisk
) -> None:
    said = refused[1]
    assert "Failed step: Finish | Require that the time was enough" in said
    assert "messages of RabbitMQ cannot be moved to Django-Q, only those of Redis" in said
    assert "The workers were not stopped, and nothing is lost" in said
    assert app.manifest()["state"] == "switching"
    assert app.services()["celery_worker"].state == "running"


@pytest.fixture(scope="module")
def forward(refused: tuple[list[Load], str]) -> list[Load]:
    """The migration goes on, with time enough; the loads."""
    loads = refused[0]
    try:
        playbooks.finish(playbooks.start(INVENTORY, "migrate"))
    finally:
        loads[0].stop()
    return loads


def test_nothing_is_lost_on_the_way_forward(
    forward: list[Load], host: hosts.Host, app: AirRisk, before: dict[str, Any]
) -> None:
    assert forward[0].each_once(*forward[1:])["engines"].keys() == {"celery", "django_q"}
    standing.assert_migrated(host, before, "django-q-rabbitmq")
    waited = {row["uid"] for load in forward[1:] for row in load.submissions()}
    engines = {row["engine"] for row in app.ledger() if row["uid"] in waited}
    assert engines == {"celery"}


@pytest.fixture(scope="module")
def back(host: hosts.Host, app: AirRisk, before: dict[str, Any], forward: list[Load]) -> list[Load]:
    """A rollback under load, to its end; the loads."""
    users, rush, due = (Load(host, name) for name in ("back", "back-rush", "back-due"))
    users.start(**USERS)
    rush.start(**RUSH)
    process = playbooks.start(INVENTORY, "rollback")
    try:
        # Web still sends to Django-Q, and qcluster ends before they are due.
        wait_until(
            "the old Compose file",
            lambda: standing.compose_is_back(host, before),
            timeout=playbooks.PHASE_SECONDS,
        )
        due.start(count=8, rate=20, seconds=0, countdown_share=1, countdown="60:65")
        playbooks.finish(process)
    finally:
        users.stop()
    for load in (rush, due):
        load.stop()
    return [users, rush, due]


def test_nothing_is_lost_on_the_way_back(
    back: list[Load], host: hosts.Host, app: AirRisk, before: dict[str, Any]
) -> None:
    assert back[0].each_once(*back[1:])["engines"].keys() == {"celery", "django_q"}
    standing.assert_as_before(host, before)
    moved = app.manifest()["celery_restore"]["moved"]
    assert moved["moved"] + moved["delayed"] >= 8
    assert moved["unmovable"] == []
    assert "cutover" not in app.compose(*QUEUES)
