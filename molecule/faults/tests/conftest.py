"""Fixtures: those of all scenarios, and users who submit tasks meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from testbed import hosts
from testbed.faults import Scene

pytest_plugins = ("testbed.fixtures",)
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"


@pytest.fixture(scope="session")
def host(machine: hosts.Host) -> hosts.Host:
    """The scenario's host, in place of testinfra's."""
    return machine


@pytest.fixture
def scene(
    machine: hosts.Host, before: dict[str, Any], request: pytest.FixtureRequest
) -> Iterator[Scene]:
    """Users at work in the host from now on; what became of their tasks is written down."""
    found = Scene(machine, INVENTORY, before, request.node.name)
    found.open()
    yield found
    found.leave()
