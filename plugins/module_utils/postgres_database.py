# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Databases that are made, compared and dropped again, and what stands in them."""

from __future__ import annotations

import contextlib
import datetime
import uuid
from collections.abc import Iterator
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import postgres_sql as sql
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import Client
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_session import Session

#: Databases from which others are made and dropped, in order of preference.
_MAINTENANCE = ("postgres", "template1")


def moment() -> str:
    """Now, in UTC, as it stands in names: ``20260102T030405Z``."""
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")


def iso_now() -> str:
    """Now, in UTC, as it stands in records: ``2026-01-02T03:04:05.678901+00:00``."""
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")


def maintenance(client: Client) -> Session:
    """A session in a database that is neither dumped nor restored.

    Raises:
        PostgresError: There is no connection, or neither ``postgres`` nor ``template1`` admits it.
    """
    for name in _MAINTENANCE:
        try:
            return Session(client, name, "cutover maintenance")
        except PostgresError as error:
            if error.code not in ("unknown_database", "not_admitted") or name == _MAINTENANCE[-1]:
                raise
    raise AssertionError("unreachable")


def count_rows(session: Session) -> dict[str, int]:
    """Rows of every table of the session's database, keyed ``schema.table`` (quoted as SQL)."""
    statements = session.query(sql.COUNT_STATEMENTS)
    return dict(session.query("\n".join(statements))) if statements else {}


def count_large_objects(session: Session) -> int:
    """Large objects of the session's database."""
    return int(session.value(sql.COUNT_LARGE_OBJECTS))


def differences(expected: dict[str, int], found: dict[str, int]) -> list[str]:
    """How two counts of tables differ, a sentence for each table, at most 20."""
    lines = []
    for table in sorted(expected.keys() | found.keys()):
        if table not in found:
            lines.append(f"{table} is missing ({expected[table]} rows)")
        elif table not in expected:
            lines.append(f"{table} is new ({found[table]} rows)")
        elif expected[table] != found[table]:
            lines.append(f"{table} has {found[table]} rows instead of {expected[table]}")
    return lines if len(lines) <= 20 else [*lines[:20], f"and {len(lines) - 20} more"]


def compare(client: Client, database: str, sidecar: dict[str, Any]) -> None:
    """Compare a restored database with what was counted in the dump's snapshot.

    Raises:
        PostgresError: A table, a row count or the number of large objects differs.
    """
    with Session(client, database, "cutover compare") as session:
        lines = differences(sidecar["tables"], count_rows(session))
        objects = count_large_objects(session)
    if objects != sidecar["large_objects"]:
        lines.append(f"{objects} large objects instead of {sidecar['large_objects']}")
    if lines:
        raise PostgresError(
            "different",
            "The restored database is not what was dumped.",
            found="; ".join(lines),
            expected="the tables and row counts of the dump's snapshot",
            fix="Make a new dump; do not use this one.",
        )


def drop(session: Session, name: str) -> None:
    """Drop a database if it is there, ending its sessions.

    Not ``WITH (FORCE)``: for a role that is no superuser it fails on a worker of autovacuum, which
    the plain form sends away and waits for.
    """
    numbers = session.query(
        f"SELECT to_json(oid::bigint) FROM pg_database WHERE datname = {sql.literal(name)};"
    )
    session.query(sql.terminate_sessions(numbers))
    session.execute(f"DROP DATABASE IF EXISTS {sql.identifier(name)};")


def remove_abandoned(session: Session) -> list[str]:
    """Drop scratch databases whose test is over: a running one holds the lock of its name."""
    rows = session.query(
        "SELECT to_json(datname) FROM pg_catalog.pg_database "
        f"WHERE starts_with(datname, {sql.literal(sql.SCRATCH_PREFIX)}) ORDER BY datname;"
    )
    dropped = []
    for name in rows:
        if session.hold(name):
            drop(session, name)
            session.release(name)
            dropped.append(name)
    return dropped


@contextlib.contextmanager
def scratch(client: Client, shape: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """A new, empty database of a unique name, dropped at the end whatever happens.

    Args:
        client: Where PostgreSQL is.
        shape: Encoding and locale, as ``postgres_sql.DATABASE_SHAPE`` gives them.

    Yields:
        Its name, and the names of abandoned scratch databases that were dropped first.
    """
    name = f"{sql.SCRATCH_PREFIX}{moment().lower()}_{uuid.uuid4().hex[:8]}"
    with maintenance(client) as session:
        abandoned = remove_abandoned(session)
        if not session.hold(name):
            raise AssertionError(f"the lock of {name} is taken")
        session.execute(sql.create_database(name, shape))
        try:
            yield name, abandoned
        finally:
            _drop_for_sure(client, session, name)


def _drop_for_sure(client: Client, session: Session, name: str) -> None:
    """Drop over the session that is there, else (the server was restarted) over a new one."""
    try:
        drop(session, name)
    except PostgresError:
        with maintenance(client) as another:
            drop(another, name)
