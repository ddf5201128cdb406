"""Containers, Docker and the host are ended by force; one playbook, run again, mends it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testbed import standing
from testbed.faults import Scene

BLOWS: dict[str, Callable[[Scene], None]] = {
    "kill_celery_worker": lambda scene: scene.kill("celery_worker"),
    "kill_qcluster": lambda scene: scene.kill("qcluster"),
    "kill_web": lambda scene: scene.kill("web"),
    "kill_redis": lambda scene: scene.kill("redis"),
    "kill_db": lambda scene: scene.kill("db"),
    "restart_docker": lambda scene: scene.restart_docker(),
    "kill_docker": lambda scene: scene.restart_docker(by_force=True),
    "restart_host": lambda scene: scene.restart_host(),
    "cut_power": lambda scene: scene.restart_host(by_force=True),
}
slow = pytest.mark.slow


def bring_to_an_end(scene: Scene, playbook: str) -> None:
    """Run the playbook again where the run did not end by itself; all is as before at the end."""
    state = scene.app.manifest()["state"]
    assert state in ("switching", "rolling_back", "rolled_back", "migrated")
    if state in ("switching", "rolling_back"):
        status, text = scene.play("rollback" if state == "rolling_back" else playbook)
        assert status == 0, text
        assert scene.app.manifest()["state"] == {"migrate": "migrated"}.get(playbook, "rolled_back")
    if scene.app.manifest()["state"] == "rolled_back":
        scene.assert_as_before(interrupted_ok=True)
        return
    scene.assert_migrated(interrupted_ok=True)
    status, text = scene.play("rollback")
    assert status == 0, text
    standing.assert_as_before(scene.host, scene.before)


@pytest.mark.parametrize(
    ("blow", "phase", "playbook"),
    [
        ("cut_power", "celery", "rollback"),
        pytest.param("kill_docker", "qcluster", "migrate", marks=slow),
        pytest.param("cut_power", "schedules", "migrate", marks=slow),
        pytest.param("cut_power", "qcluster", "migrate", marks=slow),
        pytest.param("cut_power", "web", "migrate", marks=slow),
        pytest.param("cut_power", "celery", "migrate", marks=slow),
        pytest.param("restart_host", "qcluster", "rollback", marks=slow),
        pytest.param("restart_host", "celery", "migrate", marks=slow),
        pytest.param("restart_docker", "qcluster", "migrate", marks=slow),
        pytest.param("restart_docker", "celery", "rollback", marks=slow),
        pytest.param("kill_docker", "web", "rollback", marks=slow),
        pytest.param("kill_docker", "celery", "migrate", marks=slow),
        pytest.param("kill_celery_worker", "qcluster", "migrate", marks=slow),
        pytest.param("kill_celery_worker", "celery", "migrate", marks=slow),
        pytest.param("kill_qcluster", "qcluster", "migrate", marks=slow),
        pytest.param("kill_qcluster", "celery", "migrate", marks=slow),
        pytest.param("kill_web", "qcluster", "migrate", marks=slow),
        pytest.param("kill_web", "celery", "migrate", marks=slow),
        pytest.param("kill_redis", "web", "migrate", marks=slow),
        pytest.param("kill_redis", "celery", "migrate", marks=slow),
        pytest.param("kill_db", "qcluster", "migrate", marks=slow),
        pytest.param("kill_db", "celery", "migrate", marks=slow),
    ],
)
def test_a_blow_in_the_switch(blow: str, phase: str, playbook: str, scene: Scene) -> None:
    steps = [(scene.in_phase("qcluster"), scene.pile_up)] if phase == "celery" else []
    scene.disturbed("migrate", *steps, (scene.in_phase(phase), lambda: BLOWS[blow](scene)))
    bring_to_an_end(scene, playbook)


@slow
@pytest.mark.parametrize(
    "blow", ["kill_qcluster", "kill_redis", "kill_db", "kill_docker", "restart_host", "cut_power"]
)
def test_a_blow_on_the_way_back(blow: str, scene: Scene) -> None:
    status, text = scene.play("migrate")
    assert status == 0, text
    scene.pile_up()
    when = scene.in_phase("rollback") if blow == "kill_qcluster" else scene.gives_back
    scene.disturbed("rollback", (when, lambda: BLOWS[blow](scene)))
    if scene.app.manifest()["state"] != "rolled_back":
        status, text = scene.play("rollback")
        assert status == 0, text
    scene.assert_as_before(interrupted_ok=True)
