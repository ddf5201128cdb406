"""Both queues are taken over by their clusters under load, and given back."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from testbed import hosts, playbooks, standing
from testbed.air_risk import AirRisk
from testbed.console import wait_until
from testbed.deploy import PROJECT
from testbed.load import Load

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
CLUSTERS = {"qcluster": "default", "qcluster_gis": "gis"}
USERS = {"rate": 4, "seconds": "0:0.2", "countdown_share": 0.25, "countdown": "1:20"}
#: More than Celery can do until it is drained, in the queue that the chain does not use.
RUSH = {"count": 120, "rate": 120, "seconds": 0.6, "countdown_share": 0, "queues": "gis"}
#: Its first task runs when the worker is asked to end, and then sends the next one.
CHAIN = """
from celery import chain
from air_quality.tasks import test_task

tasks = [test_task.si(seconds=s, uid=f"chain-{n}") for n, s in enumerate((30, 3, 0))]
chain(*tasks).apply_async()
"""
NAMES = """
import json
from django_q.models import Task

tasks = Task.objects.values_list("kwargs", "name")
print(json.dumps({(kwargs or {}).get("uid"): name for kwargs, name in tasks}))
"""
SCHEDULED = """
import json
from celery import current_app

answers = current_app.control.inspect(timeout=3).scheduled() or {}
requests = [item["request"] for items in answers.values() for item in items]
print(json.dumps({r["kwargs"]["uid"]: r["delivery_info"]["routing_key"] for r in requests}))
"""


@pytest.fixture(scope="module")
def original(app: AirRisk, host: hosts.Host) -> str:
    """The Compose file before the migration."""
    return host.run("cat", f"{PROJECT}/docker-compose.yml")


@pytest.fixture(scope="module")
def forward(host: hosts.Host, app: AirRisk, original: str) -> list[Load]:
    """A migration under load, to its end; the loads."""
    users, rush = Load(host, "forward"), Load(host, "forward-rush")
    users.start(**USERS)
    process = playbooks.start(INVENTORY, "migrate")
    try:
        # Web still sends to Celery: what comes now is what is moved.
        playbooks.await_phase(app, "qcluster")
        rush.start(**RUSH)
        playbooks.await_phase(app, "celery")
        app.python("celery_worker", CHAIN)
        playbooks.finish(process)
    finally:
        users.stop()
    rush.stop()
    return [users, rush]


def test_nothing_is_lost_on_the_way_forward(
    forward: list[Load], host: hosts.Host, app: AirRisk, before: dict[str, Any]
) -> None:
    assert forward[0].each_once(*forward[1:])["engines"].keys() == {"celery", "django_q"}
    standing.assert_migrated(host, before, "django-q-gis", added=["qcluster_gis"])


def test_what_waited_was_moved(forward: list[Load], app: AirRisk) -> None:
    assert app.manifest()["celery_drain"]["moved"]["moved"] >= 20


def test_a_chain_was_run_to_its_end_by_celery(forward: list[Load], app: AirRisk) -> None:
    """Its tasks are sent one by another: the second one as the last act of an ending worker."""
    chain = [row for row in app.ledger() if row["uid"].startswith("chain-")]
    assert [row["uid"] for row in chain] == ["chain-0", "chain-1", "chain-2"]
    assert {row["engine"] for row in chain} == {"celery"}
    unmovable = app.manifest()["celery_drain"]["moved"]["unmovable"]
    assert [item["why"] for item in unmovable] == ["it has a chain behind it"]


def test_each_queue_was_taken_by_its_cluster(forward: list[Load], app: AirRisk) -> None:
    """By the logs of the clusters: the records tell the queue, not who took from it."""
    names = json.loads(app.python("web", NAMES))
    processed = {
        service: set(re.findall(r"processing '?(\S+?)'? '", app.compose("logs", service)))
        for service in CLUSTERS
    }
    by_queue = dict.fromkeys(CLUSTERS.values(), 0)
    for row in (row for load in forward for row in load.submissions()):
        if row["status"] != 202 or row["uid"] not in names:
            continue
        by_queue[row["queue"]] += 1
        for service, queue in CLUSTERS.items():
            taken = names[row["uid"]] in processed[service]
            assert taken == (queue == row["queue"]), (service, row)
    assert min(by_queue.values()) >= 20, by_queue


def test_a_probe_went_through_both_clusters(forward: list[Load], app: AirRisk) -> None:
    for phase in ("qcluster", "verify"):
        probes = app.manifest()[phase]["probes"]
        assert [(item["cluster"], item["queue"], item["outcome"]) for item in probes] == [
            ("", "air_risk", "success"),
            ("gis", "gis", "success"),
        ]


def test_the_compose_file_has_a_service_for_each(forward: list[Load], host: hosts.Host) -> None:
    services = yaml.safe_load(host.run("cat", f"{PROJECT}/docker-compose.yml"))["services"]
    assert services["qcluster_gis"]["environment"]["Q_CLUSTER_NAME"] == "gis"
    assert "Q_CLUSTER_NAME" not in services["qcluster"].get("environment", {})
    commands = [services[name]["command"] for name in CLUSTERS]
    assert commands[0][-2:] == commands[1][-2:] == ["manage.py", "qcluster"]


@pytest.fixture(scope="module")
def back(host: hosts.Host, before: dict[str, Any], forward: list[Load]) -> list[Load]:
    """A rollback under load, to its end; the loads."""
    users, rush, later = (Load(host, name) for name in ("back", "back-rush", "back-later"))
    users.start(**USERS)
    rush.start(**RUSH)
    process = playbooks.start(INVENTORY, "rollback")
    try:
        wait_until(
            "the old Compose file",
            lambda: standing.compose_is_back(host, before),
            timeout=playbooks.PHASE_SECONDS,
        )
        # Web still sends to Django-Q. Due after the rollback: seen in the hands of Celery's worker.
        later.start(count=8, rate=20, countdown_share=1, countdown="75:80", seconds=0)
        playbooks.finish(process)
    finally:
        users.stop()
    for load in (rush, later):
        load.stop()
    return [users, rush, later]


def test_rows_of_each_cluster_go_back_to_its_queue(back: list[Load], app: AirRisk) -> None:
    """Whatever the task's own queue is: all of them are the same task."""
    wanted = {row["uid"]: row["queue"] for row in back[2].submissions()}
    assert set(wanted.values()) == {"gis", "default"}
    found: dict[str, str] = {}
    # A worker that has just started fetches them one by one.
    for _ in range(20):
        found = json.loads(app.python("celery_worker", SCHEDULED))
        if wanted.keys() <= found.keys():
            break
    assert {uid: found.get(uid) for uid in wanted} == wanted


def test_nothing_is_lost_on_the_way_back(
    back: list[Load], host: hosts.Host, before: dict[str, Any], original: str
) -> None:
    assert back[0].each_once(*back[1:])["engines"].keys() == {"celery", "django_q"}
    standing.assert_as_before(host, before)
    assert host.run("cat", f"{PROJECT}/docker-compose.yml") == original


def test_rows_came_back(back: list[Load], app: AirRisk) -> None:
    moved = app.manifest()["celery_restore"]["moved"]
    assert moved["moved"] + moved["delayed"] >= 8
    assert moved["unmovable"] == []
