#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Puts one database in the place of another, by name."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_swap
short_description: Put a restored or kept database in the place of the one that is used
description:
  - Renames the database that is used to C(<name>_replaced_<UTC time>) and O(name) to its name, in
    one transaction; a crash leaves either the old names or the new ones.
  - Sessions in either database are ended and returned. Nobody can connect in between.
  - Only a database that M(cutover.django_q.postgres_restore) made, or that this module replaced
    before, is put in.
author: The cutover.django_q maintainers
options:
  name:
    description: The database that takes the place.
    type: str
    required: true
  reason:
    description: Words for the comment of the replaced database.
    type: str
    default: ""
extends_documentation_fragment:
  - cutover.django_q.postgres_connection
attributes:
  check_mode:
    support: full
    description: In check mode it checks that the swap could be made and changes nothing.
  idempotent:
    support: none
    description: Every swap renames.
"""

EXAMPLES = r"""
- name: Put the restored database in
  cutover.django_q.postgres_swap:
    container: air_risk-db-1
    name: "{{ restored.name }}"
"""

RETURN = r"""
live:
  description: The database that was replaced, and the name that the other has now.
  type: str
  returned: success
kept:
  description: The name that the replaced database has now; empty when there was none.
  type: str
  returned: success
ended:
  description: Sessions that were ended, each with C(pid), C(user), C(application), C(address).
  type: list
  elements: dict
  returned: success, not in check mode
all_kept:
  description:
    - Every database that was replaced and is still there, with C(name), C(size) in bytes and
      C(comment).
  type: list
  elements: dict
  returned: success
problem:
  description: Why it failed, with C(code), C(message), C(found), C(expected), C(fix).
  type: dict
  returned: failure
"""

import signal
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import (
    postgres_database,
    postgres_exchange,
    postgres_sql,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import connect
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_options import (
    options_of,
    run_module,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_session import Session


def check(session: Session, name: str) -> None:
    """Require that a database was made or replaced by this collection.

    Raises:
        PostgresError: It is not there, or bears no mark.
    """
    ours = [
        entry["name"]
        for prefix in (postgres_exchange.RESTORED, postgres_exchange.REPLACED)
        for entry in postgres_exchange.marked(session, prefix)
    ]
    if name not in ours:
        raise PostgresError(
            "unknown_database",
            f"There is no restored or kept database {name}.",
            found=", ".join(ours) or "none at all",
            fix="Set postgres_backup_restore_database to one of these.",
        )


def work(module: AnsibleModule) -> dict[str, Any]:
    """Check and swap; see RETURN.

    Raises:
        PostgresError: Nothing was renamed.
    """
    name = module.params["name"]
    moment = postgres_database.moment()
    with connect(options_of(module.params)) as client:
        with postgres_database.maintenance(client) as session:
            check(session, name)
            there = postgres_exchange.exists(session, client.database)
        kept = postgres_sql.derived_name(client.database, f"replaced_{moment.lower()}")
        result: dict[str, Any] = {}
        if not module.check_mode:
            # It takes seconds, and half-way is no place to be ended: the answer must be known.
            for number in (signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, signal.SIG_IGN)
            words = f"{postgres_exchange.REPLACED} at {moment} {module.params['reason']}".rstrip()
            result["ended"] = postgres_exchange.exchange(client, client.database, name, kept, words)
        with postgres_database.maintenance(client) as session:
            all_kept = postgres_exchange.marked(session, postgres_exchange.REPLACED)
        return {
            "changed": True,
            "live": client.database,
            "kept": kept if there else "",
            "all_kept": all_kept,
            **result,
        }


def main() -> None:
    """Run the module."""
    run_module(
        {
            "name": {"type": "str", "required": True},
            "reason": {"type": "str", "default": ""},
        },
        work,
    )


if __name__ == "__main__":
    main()
