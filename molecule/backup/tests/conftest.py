"""What the tests share: the host, the application, its databases, and running a playbook."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testbed.deploy import PROJECT, STATE

pytest_plugins = ("testbed.fixtures",)
ROOT = Path(__file__).resolve().parents[3]
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
HOST = "cutover-molecule-backup"
BACKUPS = f"{STATE}/backups"

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def play() -> Play:
    """Runs a playbook with variables: ``play("backup", postgres_backup_keep=2)``."""

    def run(name: str, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        env.update(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
        command = [
            str(Path(sys.executable).parent / "ansible-playbook"),
            *("-i", str(INVENTORY), str(ROOT / "playbooks" / f"{name}.yml")),
            *("-e", json.dumps(variables), *arguments),
        ]
        return subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def restore(play: Play) -> Play:
    """Runs restore.yml on the scenario's host, confirmed."""

    def run(*arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        said = {"restore_hosts": HOST, "postgres_backup_restore_confirm": "air_risk"}
        return play("restore", *arguments, **{**said, **variables})

    return run


@dataclass(frozen=True)
class Dumps:
    """The dumps in the deployment's folder for backups, the oldest first."""

    host: Any

    def paths(self) -> list[str]:
        """Their paths."""
        return self.host.check_output(f"ls -1 {BACKUPS}/*.dump.zst 2>/dev/null || true").split()

    def sidecar(self, path: str) -> dict[str, Any]:
        """What is recorded of one."""
        return json.loads(self.host.file(f"{path}.json").content_string)

    def files(self) -> list[str]:
        """Every file in the folder, hidden ones too."""
        return self.host.check_output(f"ls -A {BACKUPS} 2>/dev/null || true").split()


@pytest.fixture
def dumps(host: Any) -> Dumps:
    """The dumps of the host."""
    return Dumps(host)


@dataclass(frozen=True)
class Server:
    """The PostgreSQL of the deployment, beside the application's own database."""

    host: Any

    def psql(self, statements: str, database: str = "air_risk") -> str:
        """What psql prints."""
        compose = f"docker compose --project-directory {PROJECT} exec -T db"
        return self.host.check_output(
            f"{compose} psql -qAtX -v ON_ERROR_STOP=1 -U air_risk -d {database} "
            f"-c {shlex.quote(statements)}"
        )

    def databases(self) -> list[str]:
        """The names of all databases that are no template."""
        return self.psql("SELECT datname FROM pg_database WHERE NOT datistemplate").split()


@pytest.fixture
def server(host: Any) -> Server:
    """The PostgreSQL of the host."""
    return Server(host)
