"""Dumps: whole or absent, exact while users write, and what is kept of them."""

from __future__ import annotations

import subprocess
from typing import Any

from testbed.air_risk import AirRisk
from testbed.deploy import PROJECT

BACKUPS = "/var/lib/cutover/air_risk/backups"
SMALL = "/var/lib/small"


def message(done: subprocess.CompletedProcess[str]) -> str:
    """The text of the last failure that Ansible shows, as one line."""
    assert done.returncode == 2, done.stdout[-3000:]
    return " ".join(done.stdout.rpartition("fatal: [")[2].split())


def test_the_dump_is_verified_and_only_root_may_read_it(
    app: AirRisk, host: Any, dumps: Any
) -> None:
    (path,) = dumps.paths()
    sidecar = dumps.sidecar(path)
    file = host.file(path)
    assert (file.mode, file.user) == (0o600, "root")
    assert host.file(f"{path}.json").mode == 0o600
    assert host.file(BACKUPS).mode == 0o700
    assert file.size == sidecar["size"]
    assert file.sha256sum == sidecar["sha256"]
    assert sidecar["verified"]["server_version"] == sidecar["server_version"]
    assert sidecar["tables"]["public.django_celery_beat_periodictask"] == len(app.periodic_tasks())
    assert sidecar["compression"]["by"] == "host"
    assert len(dumps.files()) == 2


def test_nothing_is_left_in_the_server(server: Any) -> None:
    assert sorted(server.databases()) == ["air_risk", "postgres"]
    sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'cutover%'"
    assert server.psql(sessions) == "0"


def test_counts_are_those_of_the_snapshot_while_rows_are_written(
    host: Any, play: Any, dumps: Any, server: Any
) -> None:
    server.psql("CREATE TABLE busy (id bigserial PRIMARY KEY, at timestamptz DEFAULT now())")
    host.check_output(
        f"docker compose --project-directory {PROJECT} exec -d db sh -c "
        '\'while psql -qX -U air_risk -c "INSERT INTO busy SELECT FROM generate_series(1, 50)"; '
        "do :; done'"
    )
    try:
        done = play("backup")
        assert done.returncode == 0, done.stdout[-3000:]
        after = int(server.psql("SELECT count(*) FROM busy"))
    finally:
        server.psql("DROP TABLE busy")
    sidecar = dumps.sidecar(dumps.paths()[-1])
    assert 0 < sidecar["tables"]["public.busy"] < after
    assert sidecar["verified"]


def test_a_wrong_password_is_refused(play: Any, dumps: Any) -> None:
    before = dumps.files()
    done = play("backup", postgres_backup_password="not-the-word")
    assert "refuses the password of user air_risk" in message(done)
    assert "not-the-word" not in done.stdout + done.stderr
    assert dumps.files() == before


def test_an_unknown_database_is_refused(play: Any, dumps: Any) -> None:
    before = dumps.files()
    done = play("backup", postgres_backup_database="air_quality")
    assert "There is no database air_quality" in message(done)
    assert dumps.files() == before


def test_a_full_disk_leaves_nothing_behind(host: Any, play: Any, server: Any) -> None:
    server.psql("CREATE TABLE ballast AS SELECT gen_random_uuid() FROM generate_series(1, 200000)")
    host.check_output(f"mkdir -p {SMALL} && mount -t tmpfs -o size=1m small {SMALL}")
    try:
        done = play("backup", postgres_backup_dir=f"{SMALL}/backups")
        left = host.check_output(f"find {SMALL} -type f")
    finally:
        host.check_output(f"umount {SMALL} && rmdir {SMALL}")
        server.psql("DROP TABLE ballast")
    assert f"The disk of {SMALL}/backups became full" in message(done)
    assert left == ""
    assert server.psql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'COPY%'") == "0"


def test_leftovers_of_killed_runs_are_removed(
    host: Any, play: Any, dumps: Any, server: Any
) -> None:
    server.psql("CREATE DATABASE cutover_scratch_20260101t000000z_dead")
    host.check_output(f"touch {BACKUPS}/.air_risk-20260101T000000Z.dump.zst.partial")
    assert play("backup").returncode == 0
    assert sorted(server.databases()) == ["air_risk", "postgres"]
    assert not [name for name in dumps.files() if name.endswith(".partial")]


def test_old_dumps_are_deleted_but_never_the_newest_verified_one(play: Any, dumps: Any) -> None:
    newest_verified = dumps.paths()[-1]
    for _ in range(2):
        done = play("backup", postgres_backup_keep=1, postgres_backup_verify=False)
        assert done.returncode == 0, done.stdout[-3000:]
    paths = dumps.paths()
    assert len(paths) == 2
    assert paths[0] == newest_verified
    assert dumps.sidecar(paths[1])["verified"] is None
    assert len(dumps.files()) == 4


def test_without_a_running_database_it_says_which_service(play: Any) -> None:
    done = play("backup", deployment_db_service="database")
    assert "The service database (deployment_db_service)" in message(done)
