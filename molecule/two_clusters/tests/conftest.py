"""The host, the application in it, and how it stood before anything was done."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from testbed import hosts
from testbed.air_risk import AirRisk

HOST = os.environ.get("TRY_HOST", "cutover-molecule-two_clusters")


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
