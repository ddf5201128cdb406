"""What the tests of Molecule's scenarios share; each loads it by `pytest_plugins`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from testbed import hosts
from testbed.air_risk import AirRisk
from testbed.deploy import STATE


@pytest.fixture(scope="session")
def machine() -> hosts.Host:
    """The scenario's host, made by `create` and `prepare`."""
    return hosts.Host(f"cutover-molecule-{os.environ['MOLECULE_SCENARIO_NAME']}")


@pytest.fixture(scope="session")
def app(machine: hosts.Host) -> AirRisk:
    """The application in the host."""
    return AirRisk(machine.run)


@pytest.fixture(scope="session")
def ephemeral() -> Path:
    """The scenario's folder on this machine."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


@pytest.fixture(scope="session")
def before(machine: hosts.Host, ephemeral: Path) -> dict[str, Any]:
    """How the deployment stood before anything was done: see `testbed.record.take`."""
    return json.loads((ephemeral / f"{machine.name}.before.json").read_text(encoding="utf-8"))


@pytest.fixture
def runs(machine: hosts.Host) -> str:
    """The folder of the latest run, in the host."""
    return machine.run("readlink", "-f", f"{STATE}/current")
