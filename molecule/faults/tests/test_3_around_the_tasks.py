"""Workers, broker, database and Docker fail while tasks change sides; it goes back by itself."""

from __future__ import annotations

from typing import Any

import pytest
from testbed import hosts
from testbed.air_risk import AirRisk
from testbed.faults import BUSY, TAKEN_BACK, Scene, Step

OUTLIVED = (
    "Let the workers end what they run and stop them",
    ["did not end within 8 s", "Nothing was killed"],
)


def migrate_told(
    scene: Scene, *steps: Step, step: str, reasons: list[str], **variables: Any
) -> None:
    """Run a migration that fails and goes back, and assert what it says."""
    status, text = scene.disturbed("migrate", *steps, **variables)
    assert status != 0
    scene.assert_told(text, step, reasons, TAKEN_BACK)
    scene.assert_as_before()


@pytest.mark.slow
def test_a_task_that_outlives_the_drain_goes_on(scene: Scene) -> None:
    migrate_told(
        scene,
        (scene.in_phase("web"), lambda: scene.rush(**BUSY)),
        step=OUTLIVED[0],
        reasons=OUTLIVED[1],
        celery_drain_timeout=8,
    )


@pytest.mark.slow
def test_a_worker_that_ignores_sigterm(scene: Scene, host: hosts.Host, app: AirRisk) -> None:
    worker = app.services()["celery_worker"].id
    pid = host.run("docker", "inspect", "--format", "{{.State.Pid}}", worker)
    try:
        status, text = scene.disturbed(
            "migrate",
            (scene.in_phase("web"), lambda: host.run("kill", "-STOP", pid)),
            celery_drain_timeout=8,
        )
    finally:
        host.run("kill", "-CONT", pid)
    assert status != 0
    scene.assert_told(text, *OUTLIVED, TAKEN_BACK)
    scene.assert_as_before()


def test_redis_down_during_the_move(scene: Scene) -> None:
    migrate_told(
        scene,
        (scene.in_phase("qcluster"), scene.pile_up),
        (scene.moves, lambda: scene.kill("redis")),
        step="Move what is left over to Django-Q",
        reasons=["redis"],
    )


@pytest.mark.slow
def test_postgresql_restarted_during_the_move(scene: Scene, host: hosts.Host, app: AirRisk) -> None:
    migrate_told(
        scene,
        (scene.in_phase("qcluster"), scene.pile_up),
        (scene.moves, lambda: app.compose("restart", "db")),
        step="Move what is left over to Django-Q",
        reasons=["psycopg"],
    )


def test_docker_restarted_in_the_window(scene: Scene, app: AirRisk) -> None:
    status, text = scene.disturbed("migrate", (scene.in_phase("web"), scene.restart_docker))
    assert status != 0
    assert TAKEN_BACK in text, text
    assert app.manifest()["state"] == "rolled_back"
    scene.assert_as_before(interrupted_ok=True)
