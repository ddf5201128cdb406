"""What the tests of all stages use: the host through testinfra, the application, how it stood."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from testbed.air_risk import AirRisk


@pytest.fixture
def app(host: Any) -> AirRisk:
    """The application in the host."""
    return AirRisk(lambda *command: host.check_output(shlex.join(command)))


@pytest.fixture(scope="session")
def ephemeral() -> Path:
    """The scenario's folder on this machine."""
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])


@pytest.fixture
def before(host: Any, ephemeral: Path) -> dict[str, Any]:
    """How the deployment stood before anything was done: see `testbed.record.take`."""
    path = ephemeral / f"{host.backend.name}.before.json"
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def runs(host: Any) -> str:
    """The folder of the latest run."""
    return host.check_output("readlink -f /var/lib/cutover/air_risk/current")
