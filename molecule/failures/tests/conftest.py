"""The application in the host, and how it stood before anything was done."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testbed import hosts, standing
from testbed.air_risk import AirRisk

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
def as_before(before: dict[str, Any]) -> Callable[[], None]:
    """A call that asserts that the service is what it was."""
    return lambda: standing.assert_as_before(hosts.Host(HOST), before)
