"""A checkout changes the code under what runs: forward, back, interrupted, failing, under load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from testbed import hosts, playbooks, standing
from testbed.air_risk import AirRisk
from testbed.deploy import PROJECT, STATE
from testbed.load import ADD_TICK, TICK_TASK, Load

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
USERS = {"rate": 4, "seconds": "0:0.2", "countdown_share": 0.25, "countdown": "1:20"}
#: More than the worker does until it has ended, and one that it has to finish.
RUSH = {"count": 100, "rate": 100, "seconds": 0.3, "countdown_share": 0}
LONG = {"count": 1, "seconds": 20, "countdown_share": 0}
#: Sent without the application's code, which may have been replaced already.
CHAIN = """
from celery import Celery, chain

app = Celery(broker="redis://redis:6379/0")
app.conf.task_default_queue = "default"
name = "air_quality.tasks.test_task"
chain(*(app.signature(name, kwargs={"uid": f"chain-{n}"}, immutable=True) for n in (0, 1)))()
"""
HEAD = ("git", "-C", PROJECT, "rev-parse", "HEAD")


def with_rush(host: hosts.Host, name: str) -> list[Load]:
    """Users, and much at once from now on; the loads."""
    loads = [Load(host, f"{name}-{what}") for what in ("users", "long", "rush")]
    for load, options in zip(loads, (USERS, LONG, RUSH), strict=True):
        load.start(**options)
    return loads


@pytest.fixture(scope="module")
def forward(host: hosts.Host, app: AirRisk) -> list[Load]:
    """A migration under load, to its end; the loads."""
    app.python("web", ADD_TICK)
    loads = [Load(host, f"forward-{what}") for what in ("users", "long", "rush")]
    loads[0].start(**USERS)
    process = playbooks.start(INVENTORY, "migrate", celery_drain_unmovable="drop")
    try:
        playbooks.await_phase(app, "schedules")
        loads[1].start(**LONG)
        loads[2].start(**RUSH)
        # The workers have ended, and web still sends to them.
        playbooks.await_phase(app, "qcluster")
        app.compose("exec", "-T", "web", "python", "-c", CHAIN)
        playbooks.finish(process)
    finally:
        loads[0].stop()
    for load in loads[1:]:
        load.stop()
    return loads


def test_nothing_is_lost_on_the_way_forward(
    forward: list[Load], host: hosts.Host, before: dict[str, Any]
) -> None:
    assert forward[0].each_once(*forward[1:])["engines"].keys() == {"celery", "django_q"}
    standing.assert_migrated(host, before, "django-q-mounted")


def test_what_was_dropped_stands_in_a_file(
    forward: list[Load], host: hosts.Host, app: AirRisk
) -> None:
    path = f"{STATE}/current/dropped_messages.json"
    (dropped,) = json.loads(host.run("cat", path))
    assert dropped["why"] == "it has a chain behind it"
    assert json.loads(dropped["message"])["headers"]["id"] == dropped["id"]
    assert host.run("stat", "-c", "%a", path) == "600"
    assert [row for row in app.ledger() if row["uid"].startswith("chain-")] == []


def test_how_the_broker_is_reached_is_kept_nowhere(forward: list[Load], host: hosts.Host) -> None:
    assert "broker.json" not in host.run("ls", f"{STATE}/current/")


def test_the_seconds_without_a_worker_are_told(forward: list[Load], app: AirRisk) -> None:
    gap = app.manifest()["celery_drain"]["worker_gap_seconds"]
    print(f"\nfrom the end of the workers until qcluster had run a task: {gap} s")
    assert gap > 0


@pytest.fixture(scope="module")
def back(host: hosts.Host, app: AirRisk, before: dict[str, Any], forward: list[Load]) -> list[Load]:
    """A rollback under load, ended by force after the checkout, and run again; the loads."""
    loads = with_rush(host, "back")
    try:
        playbooks.kill_when(lambda: host.run(*HEAD) == before["git"]["head"], INVENTORY, "rollback")
        playbooks.finish(playbooks.start(INVENTORY, "rollback"))
    finally:
        loads[0].stop()
    for load in loads[1:]:
        load.stop()
    return loads


def test_nothing_is_lost_on_an_interrupted_way_back(
    back: list[Load], host: hosts.Host, app: AirRisk, before: dict[str, Any]
) -> None:
    assert back[0].each_once(*back[1:])["engines"].keys() == {"celery", "django_q"}
    standing.assert_as_before(host, before)
    assert app.manifest()["celery_restore"]["moved"]["moved"] >= 20


def test_an_interrupted_migration_goes_on_and_fails_and_goes_back(
    back: list[Load], host: hosts.Host, app: AirRisk, before: dict[str, Any]
) -> None:
    """Web has reloaded the new code by then, and has to run the old code again."""
    options = {"release_target_ref": "bad-web-mounted", "release_switch_timeout": 15}
    loads = with_rush(host, "failing")
    try:
        playbooks.kill_when(
            lambda: host.run(*HEAD) != before["git"]["head"], INVENTORY, "migrate", **options
        )
        assert app.services()["web"].image_id == before["containers"]["web"]["image_id"]
        status, text = playbooks.run(INVENTORY, "migrate", **options)
    finally:
        loads[0].stop()
    for load in loads[1:]:
        load.stop()
    assert status != 0
    assert "Failed step: Switch | Recreate web" in text
    assert "everything that was changed was taken back" in playbooks.words(text)
    loads[0].each_once(*loads[1:])
    standing.assert_as_before(host, before)


def test_no_tick_was_fired_twice(back: list[Load], app: AirRisk) -> None:
    """Over all that happened. Some fire late, since for some seconds nobody fires."""
    ticks = [row["started_at"] for row in app.ledger() if row["task"] == TICK_TASK]
    assert 2 <= len(ticks) <= ticks[-1] // 60 - ticks[0] // 60 + 1
