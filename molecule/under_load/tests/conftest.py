"""The host, how it stood, and a schedule that fires each minute."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from testbed import hosts
from testbed.air_risk import AirRisk
from testbed.load import add_tick

HOST = "cutover-molecule-under_load"


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
def first_tick(app: AirRisk) -> float:
    """The first tick of a schedule of one minute, which has just run; seconds since the epoch."""
    return add_tick(app)
