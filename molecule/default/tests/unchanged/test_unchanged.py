"""After `migrate.yml --check --diff`: everything as it was."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from testbed import record


@pytest.fixture(scope="module")
def digest(host: Any) -> dict[str, Any]:
    """How the deployment stands now."""
    return record.take(lambda *command: host.check_output(shlex.join(command)))["digest"]


@pytest.mark.parametrize(
    "part",
    [
        "files",
        "modes",
        "containers",
        "started",
        "images",
        "networks",
        "volumes",
        "database",
    ],
)
def test_check_mode_changed_nothing(
    part: str, digest: dict[str, Any], before: dict[str, Any]
) -> None:
    assert digest[part] == before["digest"][part]


def test_every_part_was_compared(digest: dict[str, Any], before: dict[str, Any]) -> None:
    assert set(digest) == set(before["digest"])
    assert len(digest) == 8


def test_no_run_was_recorded(host: Any) -> None:
    assert not host.file("/var/lib/cutover/air_risk").exists
