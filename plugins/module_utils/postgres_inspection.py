# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Facts about a database and judgements on them, before anything is dumped or restored."""

from __future__ import annotations

import shlex
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import postgres_archive
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_sql as sql
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import (
    Client,
    ContainerClient,
    NetworkClient,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_program import (
    Version,
    run,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_session import Session


def inspect(client: Client) -> dict[str, Any]:
    """The facts that module postgres_facts returns, with ``problems``.

    Raises:
        PostgresError: There is no connection.
    """
    with Session(client) as session:
        facts: dict[str, Any] = session.value(sql.FACTS)
    client.prefer(facts["server_version_num"] // 10000)
    free = _free(client, facts.pop("data_directory"))
    problems = judge(facts, "container" if client.in_container else "host")
    version = ""
    try:
        dump = client.version("pg_dump")
        version = dump.text
        client.version("pg_restore")
        check_age(dump, facts["server_version_num"], client)
    except PostgresError as error:
        problems.append(error.finding())
    password = isinstance(client, NetworkClient) or (
        isinstance(client, ContainerClient) and client.password_is_checked
    )
    return {
        **facts,
        "client_version": version,
        "client_place": "container" if client.in_container else "host",
        "compression": postgres_archive.zstd_place(client) or "pg_dump",
        "data_free_bytes": free,
        "password_checked": password and bool(client.options.password),
        "problems": problems,
    }


def check_age(dump: Version, server_version_num: int, client: Client) -> None:
    """Refuse a pg_dump that is older than the server: it would not know the server's catalogue.

    Raises:
        PostgresError: It is older by a major version.
    """
    server = server_version_num // 10000
    if dump.major >= server:
        return
    raise PostgresError(
        "client_too_old",
        f"pg_dump is older than the server at {client.where}.",
        found=f"pg_dump {dump.text}",
        expected=f"version {server} or newer",
        fix=f"Install PostgreSQL's client package of version {server} (postgresql-client-{server}),"
        " or set postgres_backup_client_dir to where it is.",
    )


def judge(facts: dict[str, Any], place: str) -> list[dict[str, str]]:
    """Problems that the facts show, as :meth:`PostgresError.finding` gives them.

    Args:
        facts: What ``postgres_sql.FACTS`` answers.
        place: ``container`` or ``host``; the advice differs.
    """
    user, database = facts["user"], facts["database"]
    problems = []
    if facts["unreadable"]:
        problems.append(
            PostgresError(
                "unreadable_tables",
                f"Role {user} may not read every table and sequence of {database}, "
                "so it cannot dump it.",
                found=_some(facts["unreadable"]),
                fix=f"GRANT pg_read_all_data TO {sql.identifier(user)}; or set "
                "postgres_backup_user to the owner.",
            )
        )
    if facts["row_security"]:
        problems.append(
            PostgresError(
                "row_security",
                f"Row security hides rows of {database} from role {user}.",
                found=_some(facts["row_security"]),
                fix="Set postgres_backup_user to a role with BYPASSRLS.",
            )
        )
    if facts["in_recovery"]:
        problems.append(
            PostgresError(
                "standby",
                "The server is a standby: no scratch database can be made there, and its data may "
                "be behind.",
                fix="Point "
                + ("deployment_db_service" if place == "container" else "postgres_backup_host")
                + " at the primary.",
            )
        )
    elif not facts["may_create_database"]:
        problems.append(
            PostgresError(
                "may_not_create_database",
                f"Role {user} may not create the scratch database of the restore test.",
                found="neither SUPERUSER nor CREATEDB",
                fix=f"ALTER ROLE {sql.identifier(user)} CREATEDB; or set postgres_backup_verify to "
                "false.",
            )
        )
    return [problem.finding() for problem in problems]


def _some(names: list[str], count: int = 5) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _free(client: Client, data_directory: str | None) -> int | None:
    """Bytes free under the server's data directory, when it stands in the container."""
    if not data_directory or not isinstance(client, ContainerClient):
        return None
    invocation = client.program("sh", ["-c", f"df -Pk {shlex.quote(data_directory)}"])
    status, out, _ = run(invocation)
    try:
        return int(out.splitlines()[1].split()[3]) * 1024 if status == 0 else None
    except (IndexError, ValueError):
        return None
