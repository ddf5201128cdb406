#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Restores a dump into a new database beside the one that is used."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_restore
short_description: Restore a dump into a new database, checked and ready to take another's place
description:
  - Checks the dump's SHA-256, restores it into a new database, compares tables and row counts with
    those of the dump's snapshot, and gives the new database the owner, the rights and the settings
    of the one that it is to replace. That one is not touched.
  - Tasks that Django-Q had queued when the dump was made are moved aside into the table
    C(cutover_held_queue), since they may have run since, and returned.
  - Whatever fails, the new database is dropped.
  - M(cutover.django_q.postgres_swap) puts the new database in.
author: The cutover.django_q maintainers
options:
  path:
    description: The dump; its sidecar stands beside it. Required with O(state=present).
    type: path
  state:
    description:
      - V(present) restores. V(absent) drops the database O(name) that a restore made and that did
        not take the other's place.
    type: str
    choices: [present, absent]
    default: present
  name:
    description: With O(state=absent), the database to drop. Empty drops nothing.
    type: str
    default: ""
extends_documentation_fragment:
  - cutover.django_q.postgres_connection
attributes:
  check_mode:
    support: full
    description: In check mode the dump is checked and nothing is restored or dropped.
  idempotent:
    support: none
    description: Every restore makes a new database.
"""

EXAMPLES = r"""
- name: Restore beside the database that is used
  cutover.django_q.postgres_restore:
    container: air_risk-db-1
    path: /var/lib/cutover/air_risk/backups/air_risk-20260102T030405Z.dump.zst
  register: restored
"""

RETURN = r"""
live:
  description: The database that would be replaced; the client's own.
  type: str
  returned: success
live_exists:
  description: Whether it is there.
  type: bool
  returned: with O(state=present)
dump:
  description: The dump's summary (path, size, sha256, tables, rows, verified, finished_at).
  type: dict
  returned: with O(state=present)
name:
  description: The new database.
  type: str
  returned: with O(state=present), not in check mode
seconds:
  description: How long it took.
  type: float
  returned: with O(state=present), not in check mode
held_count:
  description: How many queued tasks were moved aside.
  type: int
  returned: with O(state=present), not in check mode
held:
  description:
    - The first 500 of them, each with C(id), C(cluster), C(due), C(task_id), C(name), C(func).
  type: list
  elements: dict
  returned: with O(state=present), not in check mode
overdue_schedules:
  description: Schedules that are due already, and so run as soon as a cluster starts.
  type: list
  elements: str
  returned: with O(state=present), not in check mode
migrations_missing:
  description: Migrations that the replaced database has and the restored one has not.
  type: list
  elements: str
  returned: with O(state=present), not in check mode
migrations_extra:
  description: Migrations that only the restored one has.
  type: list
  elements: str
  returned: with O(state=present), not in check mode
abandoned:
  description: Databases of restores that were killed before their swap, dropped on the way.
  type: list
  elements: str
  returned: with O(state=present), not in check mode
problem:
  description: Why it failed, with C(code), C(message), C(found), C(expected), C(fix).
  type: dict
  returned: failure
"""

import os
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import (
    postgres_database,
    postgres_exchange,
    postgres_load,
    postgres_queue,
    postgres_sidecar,
    postgres_sql,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import (
    Client,
    connect,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_options import (
    options_of,
    run_module,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_session import Session

ARGUMENTS: dict[str, dict[str, Any]] = {
    "path": {"type": "path"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "name": {"type": "str", "default": ""},
}


def restore(client: Client, dump: postgres_sidecar.Dump, live_exists: bool) -> dict[str, Any]:
    """Restore into a new database; see RETURN.

    Raises:
        PostgresError: It failed; the new database was dropped.
    """
    begin = time.monotonic()
    with postgres_database.maintenance(client) as keeper:
        client.prefer(keeper.value("SELECT current_setting('server_version_num')::int;") // 10000)
        abandoned = _drop_abandoned(keeper)
        name = postgres_sql.derived_name(
            client.database, f"restored_{postgres_database.moment().lower()}"
        )
        if not keeper.hold(name) or postgres_exchange.exists(keeper, name):
            raise PostgresError("busy", f"Another restore works on {name} at this moment.")
        keeper.execute(postgres_sql.create_database(name, dump.sidecar["database"]))
        try:
            postgres_exchange.mark(
                keeper, name, f"{postgres_exchange.RESTORED} from {os.path.basename(dump.path)}"
            )
            postgres_load.load(client, dump.path, name, [], "cutover restore")
            postgres_database.compare(client, name, dump.sidecar)
            before = _migrations(client, client.database) if live_exists else []
            if live_exists:
                postgres_exchange.adopt(client, client.database, name)
            with Session(client, name, "cutover restore") as session:
                count, held = postgres_queue.hold(session, os.path.basename(dump.path))
                overdue = postgres_queue.overdue_schedules(session)
                after = postgres_queue.migrations(session)
                session.execute("ANALYZE;")
        except BaseException:
            with postgres_database.maintenance(client) as another:
                postgres_database.drop(another, name)
            raise
    return {
        "name": name,
        "seconds": round(time.monotonic() - begin, 2),
        "held_count": count,
        "held": held,
        "overdue_schedules": overdue,
        "migrations_missing": sorted(set(before) - set(after)),
        "migrations_extra": sorted(set(after) - set(before)) if live_exists else [],
        "abandoned": abandoned,
    }


def _migrations(client: Client, database: str) -> list[str]:
    with Session(client, database, "cutover restore") as session:
        return postgres_queue.migrations(session)


def _drop_abandoned(keeper: Session) -> list[str]:
    """Drop what killed restores left; a running one holds the lock of its database's name."""
    dropped = []
    for entry in postgres_exchange.marked(keeper, postgres_exchange.RESTORED):
        if keeper.hold(entry["name"]):
            postgres_database.drop(keeper, entry["name"])
            keeper.release(entry["name"])
            dropped.append(entry["name"])
    return dropped


def work(module: AnsibleModule) -> dict[str, Any]:
    """Restore or drop; see RETURN.

    Raises:
        PostgresError: The dump is not good, or the restore failed.
    """
    params = module.params
    with connect(options_of(params)) as client:
        with postgres_database.maintenance(client) as session:
            live_exists = postgres_exchange.exists(session, client.database)
            if params["state"] == "absent":
                there = bool(params["name"]) and postgres_exchange.exists(session, params["name"])
                if there and not module.check_mode:
                    postgres_exchange.drop_marked(
                        session, params["name"], postgres_exchange.RESTORED
                    )
                return {"changed": there, "live": client.database}
        dump = postgres_sidecar.read(params["path"])
        postgres_sidecar.check_sha256(dump)
        result = {} if module.check_mode else restore(client, dump, live_exists)
        return {
            "changed": True,
            "live": client.database,
            "live_exists": live_exists,
            "dump": dump.summary(),
            **result,
        }


def main() -> None:
    """Run the module."""
    run_module(ARGUMENTS, work, required_if=[("state", "present", ["path"])])


if __name__ == "__main__":
    main()
