"""What the facts of a database mean for a dump and its restore test."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_client as client
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_inspection
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_database import differences
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError

SOUND: dict[str, Any] = {
    "user": "app",
    "database": "air_risk",
    "unreadable": [],
    "row_security": [],
    "in_recovery": False,
    "may_create_database": True,
}


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"unreadable": ["public.a"]}, ["unreadable_tables"]),
        ({"row_security": ["public.a"]}, ["row_security"]),
        ({"may_create_database": False}, ["may_not_create_database"]),
        ({"in_recovery": True, "may_create_database": False}, ["standby"]),
        (
            {"unreadable": ["a"], "row_security": ["b"], "may_create_database": False},
            ["unreadable_tables", "row_security", "may_not_create_database"],
        ),
    ],
)
def test_every_problem_is_found_at_once(changes: dict[str, Any], codes: list[str]) -> None:
    problems = postgres_inspection.judge({**SOUND, **changes}, "container")
    assert [problem["code"] for problem in problems] == codes
    assert all(problem["fix"] for problem in problems)


def test_many_tables_are_counted_not_listed() -> None:
    names = [f"public.t{number}" for number in range(9)]
    (problem,) = postgres_inspection.judge({**SOUND, "unreadable": names}, "host")
    assert problem["found"].endswith("public.t4 and 4 more")


def test_a_pg_dump_older_than_the_server_is_refused() -> None:
    where = client.ContainerClient(client.Options(container="db"))
    postgres_inspection.check_age(client.Version(16, "16.1"), 150004, where)
    postgres_inspection.check_age(client.Version(15, "15.1"), 150020, where)
    with pytest.raises(PostgresError, match="postgresql-client-16") as caught:
        postgres_inspection.check_age(client.Version(15, "15.4"), 160002, where)
    assert caught.value.code == "client_too_old"


def test_differences_name_every_table() -> None:
    assert differences({"a": 1, "b": 2, "c": 3}, {"b": 2, "c": 4, "d": 0}) == [
        "a is missing (1 rows)",
        "c has 4 rows instead of 3",
        "d is new (0 rows)",
    ]
    assert differences({"a": 1}, {"a": 1}) == []


def test_many_differences_are_cut() -> None:
    lines = differences({f"t{number:02}": 1 for number in range(30)}, {})
    assert len(lines) == 21
    assert lines[-1] == "and 10 more"
