#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What a backup has to know about a database before it is made."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_facts
short_description: Look at a PostgreSQL database as a backup and a restore see it
description:
  - Connects with the client programs that a dump would use and returns versions, size, limits and
    what the role may do, with every problem that a dump or its restore test would run into.
  - Changes nothing.
author: The cutover.django_q maintainers
options:
  on_problem:
    description:
      - C(fail) fails with the first problem that prevents any answer (no connection, wrong
        password). C(report) returns it in RV(problems) and leaves the judgement to the caller.
      - Problems that were found with a connection are always returned, never a failure.
    type: str
    choices: [fail, report]
    default: fail
extends_documentation_fragment:
  - cutover.django_q.postgres_connection
attributes:
  check_mode:
    support: full
    description: Can run in check mode and changes nothing there nor otherwise.
"""

EXAMPLES = r"""
- name: Look at the database in its container
  cutover.django_q.postgres_facts:
    container: air_risk-db-1
  register: db

- name: Look at a managed database and collect what is wrong instead of failing
  cutover.django_q.postgres_facts:
    host: db.example.org
    user: air_risk
    password: "{{ vault_air_risk_password }}"
    database: air_risk
    sslmode: require
    on_problem: report
  register: db
"""

RETURN = r"""
reachable:
  description: Whether a session could be opened.
  type: bool
  returned: always
problems:
  description:
    - What a dump or a restore test would run into, each with C(code), C(message), C(found),
      C(expected) and C(fix), and C(text), all of it as one. Empty when all is well.
    - Codes are among C(wrong_password), C(unknown_user), C(unknown_database), C(not_admitted),
      C(tls), C(unreachable), C(not_ready), C(too_many_connections), C(container_not_running),
      C(docker_not_running), C(no_client), C(client_too_old), C(unreadable_tables),
      C(row_security), C(may_not_create_database), C(standby), C(client_failed), C(options).
  type: list
  elements: dict
  returned: always
server_version:
  description: The server's version.
  type: str
  returned: when reachable
  sample: "15.18"
server_version_num:
  description: The server's version as a number.
  type: int
  returned: when reachable
  sample: 150018
client_version:
  description: The version of the pg_dump that would be used; empty when there is none.
  type: str
  returned: when reachable
client_place:
  description: Where the client programs run, C(container) or C(host).
  type: str
  returned: when reachable
compression:
  description: Who would compress a dump, C(host) or C(container) (zstd), or C(pg_dump).
  type: str
  returned: when reachable
database:
  description: The database's name.
  type: str
  returned: when reachable
user:
  description: The role.
  type: str
  returned: when reachable
size:
  description: Size of the database in bytes.
  type: int
  returned: when reachable
tables:
  description: Number of tables, without those of extensions.
  type: int
  returned: when reachable
unreadable:
  description: Tables and sequences that the role may not read.
  type: list
  elements: str
  returned: when reachable
may_create_database:
  description: Whether the role may create the scratch database of a restore test.
  type: bool
  returned: when reachable
owner:
  description: Whether the role owns the database, as a restore's swap needs.
  type: bool
  returned: when reachable
max_connections:
  description: The server's limit of connections.
  type: int
  returned: when reachable
connections:
  description: Connections that are open now.
  type: int
  returned: when reachable
data_free_bytes:
  description:
    - Bytes free where the server keeps its data; null when it cannot be known (a managed database).
  type: int
  returned: when reachable
password_checked:
  description: Whether a password was given and the server asked for it.
  type: bool
  returned: when reachable
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_inspection
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import connect
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_options import (
    options_of,
    run_module,
)


def work(module: AnsibleModule) -> dict[str, object]:
    """Collect the facts; see RETURN.

    Raises:
        PostgresError: There is no connection and ``on_problem`` is ``fail``.
    """
    try:
        with connect(options_of(module.params)) as client:
            facts = postgres_inspection.inspect(client)
    except PostgresError as error:
        if module.params["on_problem"] == "fail":
            raise
        return {"changed": False, "reachable": False, "problems": [error.finding()]}
    return {"changed": False, "reachable": True, **facts}


def main() -> None:
    """Run the module."""
    run_module(
        {"on_problem": {"type": "str", "choices": ["fail", "report"], "default": "fail"}}, work
    )


if __name__ == "__main__":
    main()
