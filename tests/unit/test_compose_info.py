"""What is told of a Compose project: never a value of its environment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from ansible_collections.cutover.django_q.plugins.modules import compose_info, container_drain

CONFIG = {
    "services": {
        "web": {
            "build": {"context": "/srv/app", "dockerfile": "Dockerfile"},
            "environment": {"SECRET_KEY": "s3cret", "A": "b"},
            "depends_on": {"db": {}, "cache": {}},
            "volumes": [
                {"type": "bind", "source": "/srv/app", "target": "/app"},
                {"type": "volume", "source": "media", "target": "/media"},
            ],
        },
        "db": {"image": "postgres:15", "deploy": {"replicas": 2}},
    }
}
CONTAINERS = [
    {"id": "2", "name": "app-web-1", "service": "web"},
    {"id": "1", "name": "app-old-1", "service": "old"},
]


def test_services_are_described_without_values() -> None:
    services, _orphans = compose_info.describe(CONFIG, CONTAINERS, "app")
    assert services["web"]["image"] == "app-web"
    assert services["db"]["image"] == "postgres:15"
    assert services["web"]["environment_names"] == ["A", "SECRET_KEY"]
    assert "s3cret" not in str(services)
    assert services["web"]["binds"] == [{"source": "/srv/app", "target": "/app"}]
    assert services["web"]["depends_on"] == ["cache", "db"]
    assert (services["web"]["scale"], services["db"]["scale"]) == (1, 2)


def test_containers_go_to_their_service_or_are_orphans() -> None:
    services, orphans = compose_info.describe(CONFIG, CONTAINERS, "app")
    assert [item["id"] for item in services["web"]["containers"]] == ["2"]
    assert [item["id"] for item in orphans] == ["1"]


def test_the_signal_goes_below_shells(monkeypatch) -> None:
    tree = {1: (["/bin/sh", "-c", "x"], [2]), 2: (["dumb-init", "--"], [3]), 3: (["celery"], [4])}
    monkeypatch.setattr(container_drain, "command_line", lambda pid: tree[pid][0])
    monkeypatch.setattr(container_drain, "children", lambda pid: tree[pid][1])
    assert container_drain.receiver(1) == 3
    assert container_drain.receiver(3) == 3


def test_a_process_that_is_gone_receives_the_signal_itself(monkeypatch) -> None:
    monkeypatch.setattr(container_drain, "command_line", lambda pid: [])
    monkeypatch.setattr(container_drain, "children", lambda pid: [9])
    assert container_drain.receiver(5) == 5


def test_a_worker_that_is_given_up_on_comes_back_whatever_its_policy() -> None:
    assert container_drain.returning({"Name": "always"}) == {"Name": "always"}
    for name in ("no", "on-failure", ""):
        assert container_drain.returning({"Name": name}) == {"Name": "unless-stopped"}


def test_a_container_between_two_crashes_is_stopped_by_docker_alone(monkeypatch) -> None:
    commands = []
    monkeypatch.setattr(container_drain, "run", lambda argv, **_more: commands.append(argv))
    monkeypatch.setattr(container_drain.os, "kill", lambda *_call: commands.append("killed"))
    container_drain.ask_to_end({"Id": "c", "State": {"Pid": 0}})
    assert commands == [
        ["docker", "update", "--restart", "no", "c"],
        ["docker", "stop", "--time", "-1", "c"],
    ]


@pytest.mark.parametrize(
    ("running", "pid", "restarts", "started", "looping"),
    [
        (True, 7, 3, "2026-01-01T11:59:58.123456789Z", True),
        (True, 0, 3, "2026-01-01T10:00:00.1Z", True),
        (True, 7, 0, "2026-01-01T11:59:58Z", False),
        (True, 7, 3, "2026-01-01T10:00:00.1Z", False),
        (False, 0, 3, "0001-01-01T00:00:00Z", False),
    ],
)
def test_a_loop_of_crashes_is_told_from_a_restart_long_ago(
    running: bool, pid: int, restarts: int, started: str, looping: bool
) -> None:
    state = {"Running": running, "Pid": pid, "StartedAt": started}
    now = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
    found = container_drain.crashes_in_a_loop({"State": state, "RestartCount": restarts}, now)
    assert found is looping
