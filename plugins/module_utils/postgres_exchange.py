# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Putting one database in the place of another by name, and what makes them alike.

A database that waits to take another's place, or that was replaced, says so in its comment
(``COMMENT ON DATABASE``). Only a database that bears such a mark is ever dropped or put in.
"""

from __future__ import annotations

import threading
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import postgres_sql as sql
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import Client
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_database import (
    drop,
    maintenance,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_session import Session

RESTORED = "cutover.django_q: restored"
REPLACED = "cutover.django_q: replaced"

#: What belongs to a database and stands in no dump of its contents: statements that give it to
#: another one, and its settings, which set_config can read.
_BELONGINGS = """
SELECT json_build_object('sql', format('ALTER DATABASE %I OWNER TO %I;', {target}, r.rolname))
  FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba
 WHERE d.datname = {live};
SELECT json_build_object('sql', format('ALTER DATABASE %I CONNECTION LIMIT %s;', {target},
                                       d.datconnlimit))
  FROM pg_database d
 WHERE d.datname = {live} AND d.datconnlimit <> -1;
SELECT json_build_object('sql', format('REVOKE ALL ON DATABASE %I FROM PUBLIC;', {target}))
  FROM pg_database d
 WHERE d.datname = {live} AND d.datacl IS NOT NULL;
SELECT json_build_object('sql', format('GRANT %s ON DATABASE %I TO %s%s;',
         a.privilege_type, {target},
         CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END,
         CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))
  FROM pg_database d, aclexplode(d.datacl) a LEFT JOIN pg_roles r ON r.oid = a.grantee
 WHERE d.datname = {live};
SELECT json_build_object('role', r.rolname, 'name', split_part(s.text, '=', 1),
                         'value', substr(s.text, strpos(s.text, '=') + 1))
  FROM pg_db_role_setting g
  JOIN pg_database d ON d.oid = g.setdatabase
  LEFT JOIN pg_roles r ON r.oid = g.setrole, unnest(g.setconfig) AS s(text)
 WHERE d.datname = {live};
"""

_NUMBERS = "SELECT json_build_object('name', datname, 'oid', oid::bigint) FROM pg_database;"

#: How often sessions are ended while the exchange waits for the last of them, in seconds.
_POLL = 0.05


def exists(session: Session, name: str) -> bool:
    """Whether there is a database of this name."""
    return bool(session.query(f"SELECT '1' FROM pg_database WHERE datname = {sql.literal(name)};"))


def mark(session: Session, name: str, words: str) -> None:
    """Write a database's comment."""
    session.execute(f"COMMENT ON DATABASE {sql.identifier(name)} IS {sql.literal(words)};")


def marked(session: Session, prefix: str) -> list[dict[str, Any]]:
    """Databases whose comment starts with ``prefix``: name, size in bytes, comment; by name."""
    return session.query(f"""
SELECT json_build_object('name', d.datname, 'comment', c.text, 'size', pg_database_size(d.oid))
  FROM pg_database d, LATERAL (SELECT shobj_description(d.oid, 'pg_database') AS text) c
 WHERE starts_with(c.text, {sql.literal(prefix)}) ORDER BY d.datname;
""")


def drop_marked(session: Session, name: str, prefix: str) -> bool:
    """Drop a database that bears the mark; False when there is none of this name.

    Raises:
        PostgresError: It is there without the mark.
    """
    if not exists(session, name):
        return False
    if name not in [entry["name"] for entry in marked(session, prefix)]:
        raise PostgresError(
            "not_ours",
            f"The database {name} is not dropped: its comment does not say that it was made here.",
            expected=f"a comment that starts with {prefix!r}",
        )
    drop(session, name)
    return True


def adopt(client: Client, live: str, name: str) -> None:
    """Give database ``name`` the owner, the rights and the settings of ``live``.

    Settings are those of ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET; they belong to
    the database itself, so a dump of its contents does not hold them.

    Raises:
        PostgresError: The role may not give one of them.
    """
    target = sql.identifier(name)
    with maintenance(client) as session:
        rows = session.query(_BELONGINGS.format(live=sql.literal(live), target=sql.literal(name)))
        for row in rows:
            if "sql" in row:
                session.execute(row["sql"])
                continue
            # The value stands in the catalogue as set_config reads it; a SET statement would read
            # a list such as search_path as one name.
            subject = f"DATABASE {target}"
            if row["role"] is not None:
                subject = f"ROLE {sql.identifier(row['role'])} IN {subject}"
            session.execute(
                f"SELECT set_config({sql.literal(row['name'])}, {sql.literal(row['value'])}, false)"
                f" \\g /dev/null\nALTER {subject} SET {_setting(row['name'])} FROM CURRENT;"
            )


def _setting(name: str) -> str:
    """A setting's name as SQL; one of an extension's is two identifiers with a dot."""
    return ".".join(sql.identifier(part) for part in name.split("."))


def exchange(client: Client, live: str, name: str, kept: str, words: str) -> list[dict[str, Any]]:
    """Rename ``live`` to ``kept`` and ``name`` to ``live``, in one transaction.

    The first rename locks the database's name, so that nobody can connect any more, and waits
    until the last session has left; meanwhile a second session ends them. A crash at any moment
    leaves either the old names or the new ones.

    Args:
        client: Where PostgreSQL is.
        live: The database that is replaced; it need not be there.
        name: The database that takes its name.
        kept: The name that the replaced one gets.
        words: The comment that the replaced one gets.

    Returns:
        The sessions that were ended: pid, user, application, address.

    Raises:
        PostgresError: Nothing was renamed; or, with the code ``unknown_outcome``, the server went
            away and nobody knows.
    """
    quoted = {key: sql.identifier(key) for key in (live, name, kept)}
    with maintenance(client) as session, maintenance(client) as ender:
        # By number: a session that connects right after the renaming is nobody's to end.
        numbers = {entry["name"]: entry["oid"] for entry in session.query(_NUMBERS)}
        described = session.query(
            "SELECT to_json(shobj_description(oid, 'pg_database')) FROM pg_database "
            f"WHERE datname = {sql.literal(live)};"
        )
        comment = sql.literal(described[0]) if described and described[0] else "NULL"
        statements = ["BEGIN;"]
        if live in numbers:
            statements.append(f"ALTER DATABASE {quoted[live]} RENAME TO {quoted[kept]};")
            statements.append(f"COMMENT ON DATABASE {quoted[kept]} IS {sql.literal(words)};")
        statements.append(f"ALTER DATABASE {quoted[name]} RENAME TO {quoted[live]};")
        statements.append(f"COMMENT ON DATABASE {quoted[live]} IS {comment};")
        statements.append("COMMIT;")
        renaming = _Renaming(session, "\n".join(statements))
        ending = _Ending(ender, [numbers[key] for key in (live, name) if key in numbers])
        ending.end()
        renaming.start()
        while renaming.is_alive():
            ending.end()
            renaming.join(_POLL)
    if renaming.error is not None and not _took_place(client, live, numbers[name]):
        raise ending.explain(renaming.error)
    return ending.ended


def _took_place(client: Client, live: str, number: int) -> bool:
    """Whether the database of this number bears the name; asked when the answer was lost.

    Raises:
        PostgresError: The server does not answer, so nobody knows.
    """
    try:
        with maintenance(client) as session:
            numbers = {entry["name"]: entry["oid"] for entry in session.query(_NUMBERS)}
    except PostgresError as error:
        raise PostgresError(
            "unknown_outcome",
            "The server went away in the middle of the swap: either both databases have their new "
            "names or both have their old ones.",
            found=str(error),
            fix="Look with psql's \\l when the server is back, then start the services.",
        ) from error
    return numbers.get(live) == number


class _Ending:
    """Ends the sessions that keep databases from being renamed, as far as the role may."""

    def __init__(self, session: Session, numbers: list[int]) -> None:
        self._session: Session | None = session
        self._numbers = numbers
        self._others: set[str] = set()
        self.ended: list[dict[str, Any]] = []

    def end(self) -> None:
        """End what is there now. A failure stops the ending, not the renaming, which decides."""
        if self._session is None:
            return
        try:
            sessions = self._session.query(sql.terminate_sessions(self._numbers))
        except PostgresError:
            self._session = None
            return
        self.ended += [entry for entry in sessions if entry["ended"]]
        self._others = {
            f"{entry['user']} ({entry['application'] or 'unnamed'})"
            for entry in sessions
            if not entry["ended"]
        }

    def explain(self, error: PostgresError) -> PostgresError:
        """Why the renaming failed: sessions that the role may not end, or its own error."""
        if not self._others:
            return error
        return PostgresError(
            "in_use",
            "Sessions that the role may not end hold the database.",
            found=", ".join(sorted(self._others)),
            fix="End them, or set postgres_backup_user to a role that may: one with "
            "pg_signal_backend, for sessions of a superuser another superuser.",
        )


class _Renaming(threading.Thread):
    """Runs the renaming statements, which may wait for sessions to leave."""

    def __init__(self, session: Session, statements: str) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._statements = statements
        self.error: PostgresError | None = None

    def run(self) -> None:
        """Rename, or keep the error."""
        try:
            self._session.execute(self._statements)
        except PostgresError as error:
            self.error = error
