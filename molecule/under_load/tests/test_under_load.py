"""Users submit all the time, with a backlog and a long task in the way: each task runs once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testbed import hosts, playbooks, standing
from testbed.air_risk import AirRisk
from testbed.load import Load, queued_at, running_at

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
ENOUGH = 1000
USERS = {"rate": 9, "seconds": "0:0.05", "countdown_share": 0.2, "countdown": "1:20"}
#: What waits, in the queue that the ticks do not use: four tasks for each second of the long one,
#: and no more work than a tick can wait for: its execution shows when it fired.
BACKLOG = {"rate": 200, "seconds": 0.2, "countdown_share": 0, "queues": "gis"}
LONG = {"count": 1, "countdown_share": 0}
#: Celery and Django-Q end a task after 120 s.
LONGEST = 110


class Story:
    """Users, and a rush at the moment in which it hurts most."""

    def __init__(self, host: hosts.Host, name: str) -> None:
        """Name it; nothing is sent yet."""
        self.users = Load(host, f"{name}-users")
        self.backlog = Load(host, f"{name}-backlog")
        self.long = Load(host, f"{name}-long")

    def rush(self, seconds: float) -> None:
        """Submit a long task and a backlog behind it to the engine that serves now.

        Args:
            seconds: What the switch will take on this machine: the long task outlasts it.
        """
        seconds = round(min(seconds, LONGEST))
        for load, options in (
            (self.long, {**LONG, "seconds": seconds}),
            (self.backlog, {**BACKLOG, "count": 4 * seconds}),
        ):
            load.start(**options)
            assert load.finish()["accepted"] == options["count"]

    def go_home(self) -> None:
        """Submit until there was enough, then no more."""
        while len(self.users.submissions()) < ENOUGH + 50:
            assert self.users.running()
            time.sleep(0.5)
        assert self.users.stop()["accepted"] >= ENOUGH

    def check(self, app: AirRisk, moments: list[float]) -> None:
        """Each accepted task ran once; at each moment much waited and something long ran."""
        loads = (self.backlog, self.long)
        verdict = self.users.verdict(*loads)
        assert verdict["broken"] == [], verdict
        assert verdict["tasks"]["interrupted"] == []
        submissions = [row for load in (self.users, *loads) for row in load.submissions()]
        delayed = sum(row["countdown"] > 0 for row in submissions)
        assert delayed >= 0.2 * ENOUGH
        executions = app.ledger()
        queued = [queued_at(moment, submissions, executions) for moment in moments]
        print(f"\nqueued at the switches: {queued}")
        assert min(queued) >= 50, queued
        for moment in moments:
            assert running_at(moment, executions, longer_than=10), moment
        assert set(verdict["tasks"]["engines"]) == {"celery", "django_q"}
        print(f"\n{verdict['tasks']}")


def play(playbook: str, at: Callable[[], None] | None = None) -> str:
    """Run a playbook to its end, and something once it is under way; what it printed."""
    process = playbooks.start(INVENTORY, playbook)
    try:
        if at:
            at()
    finally:
        text, _ = process.communicate(timeout=playbooks.RUN_SECONDS)
    assert process.returncode == 0, text
    return text


def seconds_of(manifest: dict[str, Any], name: str) -> float:
    """How long a phase took."""
    phase = next(item for item in manifest["phases"] if item["name"] == name)
    return playbooks.moment(phase["end"]) - playbooks.moment(phase["start"])


@pytest.fixture(scope="module")
def migrated(
    host: hosts.Host, app: AirRisk, before: dict[str, Any], first_tick: float
) -> dict[str, Any]:
    """A migration under load: the manifest."""
    story = Story(host, "forward")
    story.users.start(**USERS)
    play("prepare")
    assert app.manifest()["state"] == "prepared"

    def rush() -> None:
        playbooks.await_phase(app, "qcluster")
        # Qcluster, web and the end of beat take three times as long as migrations and schedules.
        story.rush(6 * seconds_of(app.manifest(), "schedules"))

    play("migrate", rush)
    story.go_home()
    manifest = app.manifest()
    starts = {phase["name"]: phase["start"] for phase in manifest["phases"]}
    story.check(app, [playbooks.moment(starts[name]) for name in ("web", "celery")])
    standing.assert_migrated(host, before)
    return manifest


def test_the_way_forward_under_load(migrated: dict[str, Any]) -> None:
    assert migrated["state"] == "migrated"
    assert migrated["celery_drain"]["moved"]["moved"] >= 50


@pytest.fixture(scope="module")
def rolled_back(
    host: hosts.Host, app: AirRisk, before: dict[str, Any], migrated: dict[str, Any]
) -> dict[str, Any]:
    """The way back under load: the manifest."""
    story = Story(host, "back")
    story.users.start(**USERS)
    # Before the playbook, since web takes nothing while it is switched: the start of Ansible and
    # the move of the schedules lie between, which take no more than half of this.
    story.rush(30 + 3 * seconds_of(migrated, "schedules"))
    play("rollback")
    story.go_home()
    story.check(app, [playbooks.moment(app.services()["web"].started_at)])
    standing.assert_as_before(host, before)
    return app.manifest()


def test_the_way_back_under_load(rolled_back: dict[str, Any]) -> None:
    assert rolled_back["state"] == "rolled_back"
    assert rolled_back["celery_restore"]["moved"]["moved"] >= 50


def test_no_tick_is_missed_or_doubled(
    host: hosts.Host, first_tick: float, rolled_back: dict[str, Any]
) -> None:
    """Over both ways and what lies between, and one tick more."""
    last = time.time() // 60 * 60 + 60
    verdict = Load(host, "back-users").verdict(wait=150, ticks=(first_tick, last))
    assert verdict["broken"] == [], verdict
    assert verdict["ticks"]["executed"] == verdict["ticks"]["ticks"] >= 4
