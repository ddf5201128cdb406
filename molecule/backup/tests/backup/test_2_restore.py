"""Restores under a running application: whole, or everything stays as it was.

The tests build on one another, in the order of the file.
"""

from __future__ import annotations

import subprocess
import time
from typing import Any

import pytest
from testbed.air_risk import AirRisk
from testbed.deploy import PROJECT, STATE

WRITERS = ("celery_beat", "celery_worker", "qcluster", "web")


def message(done: subprocess.CompletedProcess[str]) -> str:
    """The text of the last failure that Ansible shows, as one line."""
    assert done.returncode == 2, done.stdout[-3000:]
    return " ".join(done.stdout.rpartition("fatal: [")[2].split())


def state(app: AirRisk, server: Any) -> dict[str, Any]:
    """What a refused or failed restore must leave as it was."""
    return {
        "containers": {item.service: (item.id, item.state) for item in app.containers()},
        "policies": {item.service: item.restart_policy for item in app.containers()},
        "databases": sorted(server.databases()),
        "oid": server.psql("SELECT oid FROM pg_database WHERE datname = 'air_risk'"),
    }


@pytest.fixture
def dump(dumps: Any) -> str:
    """The newest verified dump that no restore made by itself."""
    verified = [path for path in dumps.paths() if dumps.sidecar(path)["verified"]]
    return [path for path in verified if "before-restore" not in path][-1]


def test_a_restore_asks_for_the_host(play: Any) -> None:
    done = play("restore")
    assert "restore_hosts is empty" in message(done)


def test_a_restore_asks_for_the_databases_name(
    app: AirRisk, play: Any, server: Any, dump: str, host: Any
) -> None:
    before = state(app, server)
    name = host.check_output("hostname")
    done = play("restore", restore_hosts=name, postgres_backup_restore_file=dump)
    assert "-e postgres_backup_restore_confirm=air_risk" in message(done)
    assert state(app, server) == before


def test_a_restore_asks_for_one_thing_to_restore(restore: Any, dump: str) -> None:
    assert "Say what to restore" in message(restore())
    done = restore(postgres_backup_restore_file=dump, postgres_backup_restore_database="x")
    assert "Say what to restore" in message(done)


def test_a_damaged_dump_is_refused(
    app: AirRisk, host: Any, restore: Any, server: Any, dump: str
) -> None:
    before = state(app, server)
    copy = "/tmp/damaged.dump.zst"
    host.check_output(
        f'cp {dump} {copy} && sed \'s/"file": .*/"file": "damaged.dump.zst",/\' {dump}.json '
        f"> {copy}.json && printf X | dd of={copy} bs=1 seek=4000 conv=notrunc status=none"
    )
    assert "is not what its sidecar describes" in message(
        restore(postgres_backup_restore_file=copy)
    )
    host.check_output(f"rm {copy}.json")
    assert "has no sidecar" in message(restore(postgres_backup_restore_file=copy))
    assert state(app, server) == before


def test_an_unknown_kept_database_is_refused(restore: Any) -> None:
    done = restore(postgres_backup_restore_database="postgres")
    assert "There is no restored or kept database postgres" in message(done)


def test_a_restore_waits_for_its_turn(host: Any, restore: Any, dump: str) -> None:
    lock = f"{STATE}/lock"
    host.check_output(f'echo \'{{"run_id": "other", "host": "elsewhere"}}\' > {lock}')
    try:
        done = restore(postgres_backup_restore_file=dump)
    finally:
        host.check_output(f"rm {lock}")
    assert "Another run holds the lock" in message(done)


def test_a_worker_that_is_busy_stops_the_restore_not_the_other_way_round(
    app: AirRisk, restore: Any, server: Any, dump: str
) -> None:
    before = state(app, server)
    started = app.services()["celery_worker"].started_at
    uid = app.submit(seconds=25)
    deadline = time.monotonic() + 30
    while not app.executions(uid) and time.monotonic() < deadline:
        time.sleep(0.2)
    done = restore(postgres_backup_restore_file=dump, postgres_backup_restore_drain_timeout=1)
    assert "The database air_risk is as it was, and the writers run" in message(done)
    assert len([row for row in app.wait_for(uid) if row["finished_at"]]) == 1
    # What was asked to end and given up on ends by itself, and Docker starts it again.
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        services = app.services()
        again = services["celery_worker"].started_at != started
        if again and all(item.state == "running" for item in services.values()):
            break
        time.sleep(0.5)
    assert again, "the worker was not started again"
    after = state(app, server)
    # The sample's qcluster has on-failure, which would leave it down: it ends with status 0.
    assert after["policies"].pop("qcluster") in {
        before["policies"].pop("qcluster"),
        "unless-stopped",
    }
    assert after["policies"] == before["policies"], (after, before)
    assert after == before


def test_a_dump_takes_the_place_of_the_database(
    app: AirRisk, host: Any, play: Any, restore: Any, server: Any, dumps: Any
) -> None:
    before = state(app, server)
    uid = app.submit(seconds=0.1)
    app.wait_for(uid)
    # Two tasks that Django-Q has queued when the dump is made: nobody takes them meanwhile.
    host.check_output("docker stop -t 30 air_risk-qcluster-1")
    queue = "from django_q.tasks import async_task as q; q('math.sqrt', 4); q('math.floor', 4.5)"
    app.compose("exec", "-T", "web", "python", "manage.py", "shell", "-c", queue)
    server.psql("ALTER DATABASE air_risk SET work_mem TO '5MB'")
    assert play("backup").returncode == 0
    host.check_output("docker start air_risk-qcluster-1")
    later = app.submit(seconds=0.1)
    app.wait_for(later)

    done = restore(postgres_backup_restore_file=dumps.paths()[-1])
    assert done.returncode == 0, done.stdout[-4000:]

    assert len(app.executions(uid)) == 1
    assert app.executions(later) == [], "it ran after the dump"
    held = server.psql("SELECT count(*) FROM cutover_held_queue")
    assert held == "2"
    assert "func: math.sqrt" in done.stdout
    assert "func: math.floor" in done.stdout
    assert server.psql("SHOW work_mem") == "5MB"
    after = state(app, server)
    assert after["containers"] == before["containers"], "started again, not made anew"
    assert after["policies"] == before["policies"]
    (kept,) = set(after["databases"]) - set(before["databases"])
    assert kept.startswith("air_risk_replaced_")
    assert f"postgres_backup_restore_database={kept}" in " ".join(done.stdout.split())
    assert not host.file(f"{STATE}/lock").exists
    assert any("before-restore" in path for path in dumps.paths())


def test_the_application_works_on_the_restored_database(app: AirRisk) -> None:
    services = app.services()
    assert {services[name].state for name in WRITERS} == {"running"}
    assert [row["engine"] for row in app.run_task(seconds=0.1)] == ["celery"]


def test_held_tasks_are_given_back_as_the_readme_says(server: Any) -> None:
    server.psql(
        "WITH back AS (DELETE FROM cutover_held_queue RETURNING key, payload, lock) "
        "INSERT INTO django_q_ormq (key, payload, lock) SELECT key, payload, lock FROM back"
    )
    done = (
        "SELECT count(*) FROM django_q_task WHERE func IN ('math.sqrt', 'math.floor') AND success"
    )
    deadline = time.monotonic() + 60
    while server.psql(done) != "2" and time.monotonic() < deadline:
        time.sleep(0.5)
    assert server.psql(done) == "2"


def test_the_way_back_is_one_command(app: AirRisk, host: Any, restore: Any, server: Any) -> None:
    (kept,) = [name for name in server.databases() if "_replaced_" in name]
    rows = server.psql("SELECT count(*) FROM ledger_execution", database=kept)
    done = restore(postgres_backup_restore_database=kept)
    assert done.returncode == 0, done.stdout[-4000:]
    assert server.psql("SELECT count(*) FROM ledger_execution") == rows
    (another,) = [name for name in server.databases() if "_replaced_" in name]
    assert another != kept
    assert [row["engine"] for row in app.run_task(seconds=0.1)] == ["celery"]


def test_a_database_that_is_gone_is_restored(
    app: AirRisk, host: Any, restore: Any, server: Any, dumps: Any
) -> None:
    verified = [path for path in dumps.paths() if dumps.sidecar(path)["verified"]]
    rows = len(app.periodic_tasks())
    host.check_output(
        f"docker compose --project-directory {PROJECT} stop -t 60 {' '.join(WRITERS)}"
    )
    server.psql("DROP DATABASE air_risk WITH (FORCE)", database="postgres")
    done = restore(postgres_backup_restore_file=verified[-1])
    assert done.returncode == 0, done.stdout[-4000:]
    host.check_output(f"docker compose --project-directory {PROJECT} start {' '.join(WRITERS)}")
    assert len(app.periodic_tasks()) == rows
