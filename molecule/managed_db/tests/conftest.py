"""What the tests of both stages use: the application, and the database that is elsewhere."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from testbed.air_risk import AirRisk

POSTGRES = "cutover-molecule-managed_db-postgres"


@pytest.fixture
def app(host: Any) -> AirRisk:
    """The application in the host."""
    return AirRisk(lambda *command: host.check_output(shlex.join(command)))


@pytest.fixture
def psql() -> Callable[[str, str], list[str]]:
    """Asks the managed PostgreSQL: ``psql(database, statements)``, the lines of the answer."""

    def ask(database: str, statements: str) -> list[str]:
        command = ["docker", "exec", POSTGRES, "psql", "-qAtX", "-U", "postgres", "-d", database]
        done = subprocess.run(
            [*command, "-c", statements], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    return ask
