"""A restore that cannot take its place leaves the database in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed.air_risk import AirRisk

ROOT = Path(__file__).resolve().parents[4]
INVENTORY = Path(__file__).resolve().parents[2] / "inventory"
HOST = "cutover-molecule-managed_db"
POSTGRES = f"{HOST}-postgres"


def restore(**variables: Any) -> subprocess.CompletedProcess[str]:
    """Run restore.yml with variables."""
    said = {"restore_hosts": HOST, "postgres_backup_restore_confirm": "air_risk", **variables}
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(INVENTORY)]
    command += [str(ROOT / "playbooks/restore.yml"), "-e", json.dumps(said)]
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env.update(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_a_session_that_the_role_may_not_end_keeps_its_database(
    host: Any, app: AirRisk, psql: Callable[[str, str], list[str]]
) -> None:
    databases = "SELECT datname, oid FROM pg_database ORDER BY 1"
    before = psql("postgres", databases)
    (kept,) = [line.split("|")[0] for line in before if "_replaced_" in line]
    command = ["docker", "exec", POSTGRES, "psql", "-U", "postgres", "-d", "air_risk"]
    with subprocess.Popen([*command, "-c", "SELECT pg_sleep(3600)"]) as session:
        here = "SELECT pid FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(3600)'"
        deadline = time.monotonic() + 30
        while not psql("postgres", here) and time.monotonic() < deadline:
            time.sleep(0.2)
        done = restore(postgres_backup_restore_database=kept)
        psql("postgres", f"SELECT pg_terminate_backend(pid) FROM ({here}) AS a")
        session.wait(timeout=30)
    said = " ".join(done.stdout.split())
    assert done.returncode == 2, done.stdout[-3000:]
    assert "Sessions that the role may not end hold the database. Found: postgres" in said
    assert "The database air_risk is as it was, and the writers run." in said
    assert psql("postgres", databases) == before
    assert {item.state for item in app.containers()} == {"running"}
    assert [row["engine"] for row in app.run_task(seconds=0.1)] == ["django_q"]
