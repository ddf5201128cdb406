"""The application in the host, and how it stood before anything was done."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testbed import hosts
from testbed.air_risk import SERVICES_BEFORE, AirRisk
from testbed.deploy import PROJECT, STATE

HOST = "cutover-molecule-failures"


@pytest.fixture(scope="session")
def app() -> AirRisk:
    """The application in the host."""
    return AirRisk(hosts.Host(HOST).run)


@pytest.fixture(scope="session")
def before() -> dict[str, Any]:
    """How the deployment stood before anything was done: see `testbed.record.take`."""
    path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / f"{HOST}.before.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def as_before(app: AirRisk, before: dict[str, Any]) -> Callable[[], None]:
    """A call that asserts that the service is what it was."""
    host = hosts.Host(HOST)

    def check() -> None:
        services = app.services()
        assert set(services) == SERVICES_BEFORE
        for name, container in services.items():
            was = before["containers"][name]
            assert container.state == "running", name
            assert container.image_id == was["image_id"], name
            assert container.restart_policy == was["restart_policy"], name
        compose_sha256 = host.run("sha256sum", f"{PROJECT}/docker-compose.yml").split()[0]
        assert compose_sha256 == before["compose_sha256"]
        assert host.run("git", "-C", PROJECT, "rev-parse", "HEAD").strip() == before["git"]["head"]
        assert host.run("git", "-C", PROJECT, "status", "--porcelain").strip() == ""
        assert "lock" not in host.run("ls", STATE).split()
        live = {name for name, repeats in app.schedules().items() if repeats != 0}
        assert live == set(before["schedules"])
        assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["celery"]

    return check
