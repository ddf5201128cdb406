"""Fixtures: those of all scenarios, and the database that is elsewhere."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

pytest_plugins = ("testbed.fixtures",)
POSTGRES = "cutover-molecule-managed_db-postgres"


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
