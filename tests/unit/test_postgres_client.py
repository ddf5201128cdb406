"""How client programs are started, and that a password is never among their arguments."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_client as client
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError

SECRET = "s3:cr\\et"


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with client programs that say they are of version 15."""
    for name in ("psql", "pg_dump", "pg_restore"):
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) 15.4 (Debian 15.4-1)'\n")
        path.chmod(0o755)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "major", "version"),
    [
        ("pg_dump (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", 15, "15.20"),
        ("psql (PostgreSQL) 9.6.24", 9, "9.6.24"),
        ("pg_dump (PostgreSQL) 17beta1", 17, "17"),
        ("16.2", 16, "16.2"),
    ],
)
def test_versions_are_read(text: str, major: int, version: str) -> None:
    assert client.parse_version(text) == client.Version(major, version)


def test_a_version_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(PostgresError, match="could not be read"):
        client.parse_version("nothing")


@pytest.mark.parametrize(
    ("available", "server", "picked"),
    [([15, 16, 17], 16, 16), ([15, 17], 16, 17), ([13, 14], 16, 14), ([15], 15, 15)],
)
def test_the_client_that_fits_the_server_best_is_picked(
    available: list[int], server: int, picked: int
) -> None:
    assert client.pick_client_major(available, server) == picked


def test_a_password_file_escapes_what_separates_its_fields() -> None:
    assert client.passfile_line(SECRET) == "*:*:*:*:s3\\:cr\\\\et\n"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"container": "db", "host": "h", "user": "u", "database": "d"},
        {"host": "h", "user": "u"},
        {"host": "h", "database": "d"},
        {"container": "db", "password": "two\nlines"},
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(PostgresError):
        client.Options(**options)


def test_options_do_not_show_their_password() -> None:
    assert SECRET not in repr(client.Options(container="db", password=SECRET))


def test_over_the_network_the_password_stands_in_a_private_file(programs: Path) -> None:
    options = client.Options(
        host="db.example.org",
        port=5433,
        user="app",
        password=SECRET,
        database="a=b",
        sslmode="require",
        client_dir=str(programs),
    )
    with client.connect(options) as connected:
        started = connected.program("pg_dump", ["-Fc"], application="me")
        passfile = started.env["PGPASSFILE"]
        assert Path(passfile).read_text() == client.passfile_line(SECRET)
        assert stat.S_IMODE(os.stat(passfile).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(passfile)).st_mode) == 0o700
    assert not os.path.exists(os.path.dirname(passfile))
    assert started.argv == [str(programs / "pg_dump"), "-Fc"]
    assert SECRET not in "".join(started.env.values())
    assert started.preamble == b""
    expected = {
        "PGHOST": "db.example.org",
        "PGPORT": "5433",
        "PGUSER": "app",
        "PGDATABASE": "a=b",
        "PGSSLMODE": "require",
        "PGAPPNAME": "me",
        "LC_ALL": "C",
    }
    assert expected.items() <= started.env.items()


def test_the_environment_cannot_lead_elsewhere(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGSERVICE", "another")
    monkeypatch.setenv("PGPASSWORD", "another")
    options = client.Options(host="h", user="u", database="d", client_dir=str(programs))
    started = client.connect(options).program("psql", [])
    assert not {"PGSERVICE", "PGPASSWORD"} & started.env.keys()


def test_in_a_container_the_password_is_the_first_line_of_the_input() -> None:
    connected = client.ContainerClient(client.Options(container="db", password=SECRET))
    connected.user, connected.database = "app", "air risk"
    started = connected.program("pg_dump", ["-Fc"])
    assert started.preamble == SECRET.encode() + b"\n"
    assert SECRET not in " ".join(started.argv)
    assert SECRET not in " ".join(started.env.values())
    assert started.argv[:3] == ["docker", "exec", "-i"]
    assert "PGDATABASE=air risk" in started.argv
    assert started.argv[-2:] == ["pg_dump", "-Fc"]


def test_the_wrapper_hands_the_rest_of_the_input_on() -> None:
    script = client._WRAPPER + 'exec "$@"'
    started = client.Invocation(
        ["sh", "-c", script, "sh", "sh", "-c", 'printf "%s|" "$PGPASSWORD"; cat'],
        {"PATH": os.environ["PATH"], "POSTGRES_PASSWORD": "image"},
        b"given\n",
    )
    assert client.run(started, b"rest\nof it")[1] == "given|rest\nof it"
    nothing = client.Invocation(started.argv, started.env, b"\n")
    assert client.run(nothing, b"rest")[1] == "image|rest"


def test_a_folder_without_client_programs_is_said(tmp_path: Path) -> None:
    options = client.Options(host="h", user="u", database="d", client_dir=str(tmp_path))
    with pytest.raises(PostgresError, match="no psql") as caught:
        client.connect(options)
    assert caught.value.code == "no_client"


def test_a_program_that_is_not_there_has_the_status_of_a_shell(tmp_path: Path) -> None:
    status, _, words = client.run(client.Invocation([str(tmp_path / "none")], {}))
    assert status == 127
    assert "not found" in words


# Adopts orphans as the server does, which is a container's first process, and tells how they end.
FIRST_PROCESS = """
import ctypes, os, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
shell = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, start_new_session=True)
shell.stdin.write(b"\\n")
shell.stdin.flush()
if sys.argv[1] == "cut":
    shell.stdin.close()
print("status", shell.wait())
sys.stdout.flush()
if sys.argv[1] != "cut":
    shell.stdin.close()
while True:
    try:
        _, status = os.wait()
    except ChildProcessError:
        break
    print("adopted", os.waitstatus_to_exitcode(status))
"""


@pytest.mark.parametrize(
    ("way", "dump", "status"),
    [
        ("whole", "exit 0", 0),
        ("whole", "exit 3", 3),
        ("cut", "exec sleep 60", 143),
    ],
)
@pytest.mark.parametrize("filtered", [False, True])
def test_no_process_of_a_dump_is_left_to_the_server(
    way: str, dump: str, status: int, filtered: bool, tmp_path: Path
) -> None:
    path = tmp_path / "pg_dump"
    path.write_text(f"#!/bin/sh\n{dump}\n")
    path.chmod(0o755)
    inside = client.ContainerClient(client.Options(container="db"))
    if filtered:
        invocation = inside.filtered("pg_dump", ["-Fc"], ["cat"])
    else:
        invocation = inside.program("pg_dump", ["-Fc"], lifeline=True)
    inner = invocation.argv[invocation.argv.index("db") + 1 :]
    done = subprocess.run(
        [sys.executable, "-c", FIRST_PROCESS, way, *inner],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.splitlines() == [f"status {status}"], done
    assert way == "cut" or done.stderr == ""
