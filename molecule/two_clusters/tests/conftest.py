"""Fixtures: those of all scenarios; `host` is not testinfra's here."""

from __future__ import annotations

import pytest
from testbed import hosts

pytest_plugins = ("testbed.fixtures",)


@pytest.fixture(scope="session")
def host(machine: hosts.Host) -> hosts.Host:
    """The scenario's host."""
    return machine
