#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Proof that a dump can be restored: it is, into a scratch database that is dropped again."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_restore_test
short_description: Restore a dump into a scratch database and compare it with what was dumped
description:
  - Checks the dump's SHA-256, restores it into a new database of a unique name, compares tables,
    row counts and large objects with those counted in the dump's own snapshot, and drops the
    database, whatever happened.
  - Scratch databases that a killed test left behind are dropped first; those of a test that still
    runs are left alone.
  - Marks the dump as verified in its sidecar.
author: The cutover.django_q maintainers
options:
  path:
    description: The dump; its sidecar stands beside it.
    type: path
    required: true
extends_documentation_fragment:
  - cutover.django_q.postgres_connection
attributes:
  check_mode:
    support: full
    description: In check mode the SHA-256 is checked and nothing is restored.
  idempotent:
    support: partial
    description: Every run tests; the sidecar changes the first time.
"""

EXAMPLES = r"""
- name: Prove the dump
  cutover.django_q.postgres_restore_test:
    container: air_risk-db-1
    path: "{{ dump.path }}"
"""

RETURN = r"""
verified:
  description: Whether the restored database was what the dump's snapshot held.
  type: bool
  returned: success
seconds:
  description: How long the restore and the comparison took.
  type: float
  returned: success, not in check mode
dropped:
  description: Scratch databases of tests that were killed, dropped on the way.
  type: list
  elements: str
  returned: success, not in check mode
problem:
  description: Why it failed, with C(code), C(message), C(found), C(expected), C(fix).
  type: dict
  returned: failure
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import (
    postgres_database,
    postgres_load,
    postgres_sidecar,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import connect
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_options import (
    options_of,
    run_module,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_session import Session

#: What a scratch database can do without: owners and grants name roles, comments on extensions and
#: subscriptions need a superuser, publications are nobody's there.
_SCRATCH_ARGUMENTS = [
    "--no-owner",
    "--no-privileges",
    "--no-comments",
    "--no-publications",
    "--no-subscriptions",
]


def work(module: AnsibleModule) -> dict[str, Any]:
    """Check, restore, compare, drop; see RETURN.

    Raises:
        PostgresError: The dump is not good, or the test could not be made.
    """
    dump = postgres_sidecar.read(module.params["path"])
    postgres_sidecar.check_sha256(dump)
    if module.check_mode:
        return {"changed": False, "verified": dump.verified}
    begin = time.monotonic()
    with connect(options_of(module.params)) as client:
        with Session(client) as session:
            num = session.value("SELECT current_setting('server_version_num')::int;")
            version = session.value("SELECT to_json(current_setting('server_version'));")
        client.prefer(num // 10000)
        with postgres_database.scratch(client, dump.sidecar["database"]) as (name, abandoned):
            postgres_load.load(client, dump.path, name, _SCRATCH_ARGUMENTS, "cutover restore test")
            postgres_database.compare(client, name, dump.sidecar)
    seconds = round(time.monotonic() - begin, 2)
    first = not dump.verified
    dump.sidecar["verified"] = {
        "at": postgres_database.iso_now(),
        "seconds": seconds,
        "server_version": version.split(" ")[0],
    }
    postgres_sidecar.write(dump)
    return {"changed": first, "verified": True, "seconds": seconds, "dropped": abandoned}


def main() -> None:
    """Run the module."""
    run_module({"path": {"type": "path", "required": True}}, work)


if __name__ == "__main__":
    main()
