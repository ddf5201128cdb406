"""Messages of PostgreSQL's client programs, as they were printed, and what becomes of them."""

from __future__ import annotations

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import (
    PostgresError,
    explain,
    last_lines,
)

SERVER = 'psql: error: connection to server at "10.0.0.5", port 5432 failed: '

MESSAGES = [
    (SERVER + 'FATAL:  password authentication failed for user "app"', "wrong_password"),
    (SERVER + "fe_sendauth: no password supplied", "wrong_password"),
    (SERVER + 'FATAL:  role "ghost" does not exist', "unknown_user"),
    (SERVER + 'FATAL:  database "nope" does not exist', "unknown_database"),
    (SERVER + 'FATAL:  no pg_hba.conf entry for host "10.0.0.9"', "not_admitted"),
    (SERVER + "server does not support SSL, but SSL was required", "tls"),
    (SERVER + "SSL error: certificate verify failed", "tls"),
    (SERVER + "FATAL:  sorry, too many clients already", "too_many_connections"),
    (SERVER + "FATAL:  the database system is starting up", "not_ready"),
    (SERVER + "Connection refused\n\tIs the server running on that host?", "unreachable"),
    (SERVER + "timeout expired", "unreachable"),
    ('psql: error: could not translate host name "x" to address', "unreachable"),
    ("Error response from daemon: No such container: db", "container_not_running"),
    ("Error response from daemon: container 1a2b is not running", "container_not_running"),
    ("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", "docker_not_running"),
    ("pg_dump: error: something new", "client_failed"),
    ("", "client_failed"),
]


@pytest.mark.parametrize(("stderr", "code"), MESSAGES)
def test_a_message_becomes_a_code_with_advice(stderr: str, code: str) -> None:
    error = explain("psql", 2, stderr, user="app", where="10.0.0.5:5432")
    assert error.code == code
    assert "10.0.0.5:5432" in str(error) or code == "docker_not_running"
    assert error.fix or code == "client_failed"


def test_the_names_of_the_message_stand_in_the_sentence() -> None:
    error = explain(
        "psql", 2, SERVER + 'FATAL:  database "a b" does not exist', user="u", where="h"
    )
    assert error.message == "There is no database a b in the PostgreSQL at h."


def test_an_error_reads_as_one_text() -> None:
    error = PostgresError("code", "It broke.", found="3", expected="4", fix="Mend it.")
    assert str(error) == "It broke. Found: 3. Expected: 4. Mend it."
    assert error.finding()["text"] == str(error)


def test_only_the_last_lines_are_quoted() -> None:
    assert last_lines("a\n\n b \nc\n", 2) == "b; c"
