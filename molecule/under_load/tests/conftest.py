"""Fixtures: those of all scenarios, and a schedule that fires each minute."""

from __future__ import annotations

import pytest
from testbed import hosts
from testbed.air_risk import AirRisk
from testbed.load import add_tick

pytest_plugins = ("testbed.fixtures",)


@pytest.fixture(scope="session")
def host(machine: hosts.Host) -> hosts.Host:
    """The scenario's host, in place of testinfra's."""
    return machine


@pytest.fixture(scope="session")
def first_tick(app: AirRisk) -> float:
    """The first tick of a schedule of one minute, which has just run; seconds since the epoch."""
    return add_tick(app)
