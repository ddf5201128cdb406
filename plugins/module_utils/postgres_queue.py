# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Tasks that Django-Q had queued in a database when it was dumped.

They may have run since, so a restore moves their rows from ``django_q_ormq`` into the table
``cutover_held_queue`` beside it, where no cluster looks. The rows stay as they were (a far future
``lock`` would overwrite the time at which a task was due), and an operator gives back those that
did not run.
"""

from __future__ import annotations

import base64
import binascii
import pickletools
import zlib
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.postgres_session import Session
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_sql import (
    identifier,
    literal,
)

HELD_TABLE = "cutover_held_queue"

#: How many held tasks are listed one by one.
LISTED = 500


def peek(payload: str) -> dict[str, str]:
    """Read what a queued task is, without its key and without unpickling it.

    Args:
        payload: ``OrmQ.payload``: Django's signed format around a pickled dictionary.

    Returns:
        ``{"task_id": …, "name": …, "func": …}``; what cannot be read is ``""``.
    """
    found = dict.fromkeys(("task_id", "name", "func"), "")
    try:
        words = _words(_unsigned(payload))
    except (ValueError, zlib.error, binascii.Error):
        return found
    for key, wanted in (("id", "task_id"), ("name", "name"), ("func", "func")):
        if key in words[:-1]:
            found[wanted] = words[words.index(key) + 1]
    return found


def _unsigned(payload: str) -> bytes:
    """The bytes that were signed, decompressed if a dot at the front says so."""
    data = payload.split(":", 1)[0].encode("ascii")
    packed = data.startswith(b".")
    data = data[1:] if packed else data
    raw = base64.urlsafe_b64decode(data + b"=" * (-len(data) % 4))
    return zlib.decompress(raw) if packed else raw


def _words(pickled: bytes) -> list[str]:
    """Strings of a pickle in their order, memoised ones and names of globals resolved."""
    words: list[str] = []
    memo: dict[int, str] = {}
    last = ""
    for opcode, argument, _ in pickletools.genops(pickled):
        if opcode.name in ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"):
            last = str(argument)
            words.append(last)
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET"):
            last = memo.get(int(argument), "")
            words.append(last)
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = last
        elif opcode.name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[int(argument)] = last
        elif opcode.name == "GLOBAL":
            last = str(argument).replace(" ", ".")
            words.append(last)
        elif opcode.name == "STACK_GLOBAL" and len(words) >= 2:
            name, module = words.pop(), words.pop()
            last = f"{module}.{name}"
            words.append(last)
        else:
            # Something else than a string may be memoised next; its place must not name a string.
            last = ""
    return words


def _schemas(session: Session, table: str) -> list[dict[str, str]]:
    """Schemas that hold a table of this name, with its owner."""
    return session.query(
        "SELECT json_build_object('schema', schemaname, 'owner', tableowner) FROM pg_tables "
        f"WHERE tablename = {literal(table)} ORDER BY schemaname;"
    )


def hold(session: Session, origin: str) -> tuple[int, list[dict[str, Any]]]:
    """Move every queued task of the session's database aside, in one transaction.

    Args:
        session: A session in the restored database.
        origin: What it was restored from; stands beside each row.

    Returns:
        How many, and the first of them: id, cluster's key, due (ISO 8601), task_id, name, func.
    """
    count = 0
    listed: list[dict[str, Any]] = []
    for place in _schemas(session, "django_q_ormq"):
        held = f"{identifier(place['schema'])}.{HELD_TABLE}"
        queue = f"{identifier(place['schema'])}.django_q_ormq"
        rows = session.query(f"""
BEGIN;
CREATE TABLE IF NOT EXISTS {held} (
  id bigint NOT NULL, key text NOT NULL, payload text NOT NULL, lock timestamptz,
  held_at timestamptz NOT NULL DEFAULT now(), origin text NOT NULL);
ALTER TABLE {held} OWNER TO {identifier(place["owner"])};
WITH gone AS (DELETE FROM {queue} RETURNING id, key, payload, lock)
INSERT INTO {held} (id, key, payload, lock, origin)
SELECT id, key, payload, lock, {literal(origin)} FROM gone;
SELECT to_json(count(*)) FROM {held} WHERE held_at = now();
SELECT json_build_object('id', id, 'cluster', key, 'due', lock, 'payload', payload)
  FROM {held} WHERE held_at = now() ORDER BY id LIMIT {LISTED};
COMMIT;
""")
        count += rows[0]
        listed += [{**row, **peek(row["payload"])} for row in rows[1:]]
    for row in listed:
        del row["payload"]
    return count, listed[:LISTED]


def migrations(session: Session) -> list[str]:
    """The migrations that Django recorded as applied, as ``app.name``, sorted."""
    applied: set[str] = set()
    for place in _schemas(session, "django_migrations"):
        table = f"{identifier(place['schema'])}.django_migrations"
        applied.update(session.query(f"SELECT to_json(app || '.' || name) FROM {table};"))
    return sorted(applied)


def overdue_schedules(session: Session) -> list[str]:
    """Names of Django-Q schedules that are due already, and so fire as soon as a cluster runs."""
    names: list[str] = []
    for place in _schemas(session, "django_q_schedule"):
        names += session.query(
            "SELECT to_json(coalesce(nullif(name, ''), func) || ' (id ' || id || ')') "
            f"FROM {identifier(place['schema'])}.django_q_schedule "
            "WHERE repeats <> 0 AND next_run < now() ORDER BY next_run;"
        )
    return names
