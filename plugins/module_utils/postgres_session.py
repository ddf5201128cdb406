# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A long-lived session with PostgreSQL, held by a psql process that is spoken to over pipes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import uuid
from typing import IO, Any

from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import Client
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import (
    PostgresError,
    last_lines,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_sql import (
    SESSION_SETTINGS,
    literal,
)

_ARGUMENTS = ["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1"]


class Session:
    """One session: statements go in, JSON documents come out, one a line.

    It ends when this process ends, however it ends: psql reads the end of its input.

    Args:
        client: Where PostgreSQL is.
        database: The database to connect to; empty means the client's own.
        application: The session's application_name.

    Raises:
        PostgresError: No connection, with the reason.
    """

    def __init__(self, client: Client, database: str = "", application: str = "cutover") -> None:
        self._client = client
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (close closes it)
        invocation = client.program("psql", _ARGUMENTS, database=database, application=application)
        try:
            self._process = subprocess.Popen(
                invocation.argv,
                env=invocation.env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
            )
        except FileNotFoundError as error:
            self._stderr.close()
            raise client.explain("psql", 127, f"{invocation.argv[0]}: not found") from error
        try:
            self._send(invocation.preamble + b"set client_encoding = 'UTF8';\n")
            self.execute(SESSION_SETTINGS)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def query(self, sql: str) -> list[Any]:
        """Run statements; give back each line they print, read as JSON.

        Raises:
            PostgresError: A statement failed (the session is over then), with the server's words.
        """
        end = f"end-{uuid.uuid4().hex}"
        self._send(f"{sql.rstrip()}\n\\echo {end}\n".encode())
        assert self._process.stdout is not None
        lines: list[Any] = []
        for raw in iter(self._process.stdout.readline, b""):
            line = raw.decode("utf-8").rstrip("\n")
            if line == end:
                return lines
            if line:
                lines.append(json.loads(line))
        raise self._failure()

    def value(self, sql: str) -> Any:
        """The one document that a query prints.

        Raises:
            PostgresError: The query failed or printed nothing.
        """
        rows = self.query(sql)
        if not rows:
            raise PostgresError("no_answer", "A query gave no row.", found=last_lines(sql, 3))
        return rows[0]

    def execute(self, sql: str) -> None:
        """Run statements that print nothing."""
        self.query(sql)

    def hold(self, name: str) -> bool:
        """Take the advisory lock of a name until the session ends; False when another has it."""
        return self.value(
            f"SELECT to_json(pg_try_advisory_lock(hashtextextended({literal(name)}, 0)));"
        )

    def release(self, name: str) -> None:
        """Give the advisory lock of a name back."""
        self.value(f"SELECT to_json(pg_advisory_unlock(hashtextextended({literal(name)}, 0)));")

    def close(self) -> None:
        """End the session; a transaction that is open is rolled back."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._stderr.close()

    def _send(self, data: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(data)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def _failure(self) -> PostgresError:
        """Why psql ended: a statement's error (status 3), or no connection."""
        status = self._process.wait()
        self._stderr.seek(0)
        words = self._stderr.read().decode("utf-8", "replace")
        if status == 3:
            return PostgresError(
                "sql",
                f"PostgreSQL at {self._client.where} refused a statement.",
                found=last_lines(words).rstrip("."),
            )
        return self._client.explain("psql", status, words)
