"""The host, how it stood before anything was done, and users who submit tasks meanwhile."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed import hosts
from testbed.air_risk import AirRisk
from testbed.faults import Scene

# The scenario's own host, made by `create` and `prepare`; FAULTS_HOST names another one.
OWN_HOST = "cutover-molecule-faults"
HOST = os.environ.get("FAULTS_HOST", OWN_HOST)
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"


@pytest.fixture(scope="session")
def host() -> hosts.Host:
    """The host."""
    return hosts.Host(HOST)


@pytest.fixture(scope="session")
def app(host: hosts.Host) -> AirRisk:
    """The application in the host."""
    return AirRisk(host.run)


@pytest.fixture(scope="session")
def before() -> dict[str, Any]:
    """How the deployment stood before anything was done: see `testbed.record.take`."""
    path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"]) / f"{HOST}.before.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scenario's inventory with the host that is used."""
    folder = tmp_path_factory.mktemp("inventory")
    shutil.copytree(INVENTORY, folder, dirs_exist_ok=True)
    entries = folder / "hosts.yml"
    entries.write_text(entries.read_text("utf-8").replace(OWN_HOST, HOST), encoding="utf-8")
    return folder


@pytest.fixture
def scene(
    host: hosts.Host, inventory: Path, before: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[Scene]:
    """Users at work in the host from now on; what became of their tasks is written down."""
    found = Scene(host, inventory, before, request.node.name)
    found.open()
    yield found
    found.leave()
