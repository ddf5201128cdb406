# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Client programs as processes: where they connect, how they start, what version they are."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass, field

from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError


@dataclass(frozen=True)
class Options:
    """How to reach a database. ``container`` or ``host`` is set, never both."""

    container: str = ""
    host: str = ""
    port: int = 5432
    user: str = ""
    password: str = field(default="", repr=False)
    database: str = ""
    sslmode: str = ""
    sslrootcert: str = ""
    client_dir: str = ""
    connect_timeout: int = 10
    docker: str = "docker"

    def __post_init__(self) -> None:
        if bool(self.container) == bool(self.host):
            raise PostgresError(
                "options", "Exactly one of container and host says where PostgreSQL is."
            )
        if "\n" in self.password or "\r" in self.password:
            raise PostgresError("options", "A password with a line break cannot be used.")
        if self.host and not (self.user and self.database):
            raise PostgresError(
                "options",
                "A database that is reached over the network needs a user and a database name.",
                fix="Set postgres_backup_user and postgres_backup_database.",
            )


@dataclass(frozen=True)
class Invocation:
    """A program ready to start: its arguments, its environment, what it reads first.

    With ``lifeline``, its standard input must stay open until it has ended.
    """

    argv: list[str]
    env: dict[str, str]
    preamble: bytes = b""
    lifeline: bool = False


@dataclass(frozen=True)
class Version:
    """The version of a client program or server; compared by its major number."""

    major: int
    text: str


def parse_version(text: str) -> Version:
    """Read ``pg_dump (PostgreSQL) 15.18 (Debian …)`` or ``15.18`` or ``16beta1``."""
    match = re.search(r"(?:\)\s*)?(\d+)((?:\.\d+)*)", text)
    if match is None:
        raise PostgresError("client_version", "A version could not be read.", found=repr(text))
    return Version(int(match.group(1)), match.group(1) + match.group(2))


def run(invocation: Invocation, stdin: bytes = b"") -> tuple[int, str, str]:
    """Run a program to its end.

    Returns:
        Its exit status, standard output and standard error. A program that is not there has
        the status 127, as in a shell.
    """
    try:
        done = subprocess.run(
            invocation.argv,
            input=invocation.preamble + stdin,
            env=invocation.env,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        return 127, "", f"{invocation.argv[0]}: not found"
    return (
        done.returncode,
        done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"),
    )


def environment() -> dict[str, str]:
    """The module's own environment without what would lead libpq elsewhere."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PG")}
