# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What can go wrong with PostgreSQL and its client programs, in words an operator can act on."""

from __future__ import annotations

import re


class PostgresError(Exception):
    """One failure: what happened, what was found, what was expected, what to do.

    Args:
        code: A short name that programs can compare, such as ``wrong_password``.
        message: One sentence, ending in a full stop.
        found: The value that was found; empty when the message says it.
        expected: What should have been there; may be empty.
        fix: What the operator does about it; may be empty.
    """

    def __init__(
        self, code: str, message: str, *, found: str = "", expected: str = "", fix: str = ""
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.found = found
        self.expected = expected
        self.fix = fix

    def __str__(self) -> str:
        parts = [self.message]
        if self.found:
            parts.append(_sentence(f"Found: {self.found}"))
        if self.expected:
            parts.append(_sentence(f"Expected: {self.expected}"))
        if self.fix:
            parts.append(self.fix)
        return " ".join(parts)

    def finding(self) -> dict[str, str]:
        """The failure as a dictionary: code, message, found, expected, fix, and all as one text."""
        return {
            "text": str(self),
            "code": self.code,
            "message": self.message,
            "found": self.found,
            "expected": self.expected,
            "fix": self.fix,
        }


#: (pattern in the client's message, code, sentence, fix). The first match counts. The client
#: programs run with LC_ALL=C; the server's own words follow its lc_messages, so another language
#: falls through to the general message, which quotes the original.
_CLIENT_FAILURES: list[tuple[str, str, str, str]] = [
    (
        r"password authentication failed|no password supplied|fe_sendauth",
        "wrong_password",
        "PostgreSQL refuses the password of user {user} at {where}.",
        "Set postgres_backup_password to that user's password (keep it in the vault).",
    ),
    (
        r'role "(?P<role>.+)" does not exist',
        "unknown_user",
        "There is no role {role} in the PostgreSQL at {where}.",
        "Set postgres_backup_user to a role that exists there.",
    ),
    (
        r'database "(?P<database>.+)" does not exist',
        "unknown_database",
        "There is no database {database} in the PostgreSQL at {where}.",
        "Set postgres_backup_database to a database that exists there.",
    ),
    (
        r"no pg_hba\.conf entry|pg_hba\.conf rejects",
        "not_admitted",
        "The PostgreSQL at {where} does not admit user {user} from this address.",
        "Admit it in pg_hba.conf (or the provider's access list), or set postgres_backup_sslmode.",
    ),
    (
        r"(server )?does not support SSL|SSL error|certificate",
        "tls",
        "No TLS connection to the PostgreSQL at {where} could be made.",
        "Check postgres_backup_sslmode and postgres_backup_sslrootcert.",
    ),
    (
        r"too many clients|remaining connection slots",
        "too_many_connections",
        "The PostgreSQL at {where} has no connection left.",
        "Close sessions or raise max_connections.",
    ),
    (
        r"the database system is (starting up|shutting down|in recovery)",
        "not_ready",
        "The PostgreSQL at {where} is not ready for connections.",
        "Wait until it is up, then run this again.",
    ),
    (
        r"could not translate host name|Connection refused|Connection timed out|timeout expired|"
        r"No route to host|Network is unreachable|could not connect|Is the server running",
        "unreachable",
        "No PostgreSQL answers at {where}.",
        "Check postgres_backup_host, postgres_backup_port and the network, or start the database.",
    ),
    (
        r"No such container|is not running|is restarting|is paused",
        "container_not_running",
        "The database container {where} is not running.",
        "Start the database's service, then run this again.",
    ),
    (
        r"Cannot connect to the Docker daemon|docker: not found",
        "docker_not_running",
        "The Docker Engine does not answer.",
        "Start it, then run this again.",
    ),
]


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else text + "."


def last_lines(text: str, count: int = 6) -> str:
    """The last ``count`` lines of ``text`` that are not blank, joined by ``; ``."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[-count:])


def explain(program: str, status: int, stderr: str, *, user: str, where: str) -> PostgresError:
    """Turn the end of a client program into an error that says what to do.

    Args:
        program: The program's name, such as ``pg_dump``.
        status: Its exit status.
        stderr: What it wrote to standard error.
        user: The role that was used.
        where: The container or ``host:port`` that was asked.
    """
    words = last_lines(stderr)
    for pattern, code, sentence, fix in _CLIENT_FAILURES:
        match = re.search(pattern, stderr)
        if match is None:
            continue
        names = {"user": user, "where": where, **match.groupdict()}
        return PostgresError(code, sentence.format(**names), found=words.rstrip("."), fix=fix)
    return PostgresError(
        "client_failed",
        f"{program} against {where} ended with status {status}.",
        found=(words or "nothing on its standard error").rstrip("."),
    )
