# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Bytes of a dump on their way from a file into a database."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from typing import IO

from ansible_collections.cutover.django_q.plugins.module_utils.postgres_archive import zstd_place
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import (
    Client,
    ContainerClient,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_program import (
    Invocation,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_session import Session
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_sql import conninfo_dbname

_BLOCK = 1 << 20


def load(client: Client, path: str, database: str, arguments: list[str], application: str) -> float:
    """Restore a dump into an existing, empty database, stopping at the first error.

    Args:
        client: Where pg_restore runs.
        path: The dump; ``.zst`` at its end says that zstd compressed it.
        database: The database to fill.
        arguments: Further arguments of pg_restore.
        application: The session's application_name.

    Returns:
        Seconds it took.

    Raises:
        PostgresError: zstd is not there, or a process failed, with its words.
    """
    begin = time.monotonic()
    place = zstd_place(client) if path.endswith(".zst") else ""
    if path.endswith(".zst") and not place:
        raise PostgresError(
            "no_zstd", f"{path} needs zstd to be read.", fix="Install the package zstd."
        )
    with contextlib.ExitStack() as stack:
        source: IO[bytes] = stack.enter_context(open(path, "rb"))
        zstd = None
        if place == "host":
            program = [str(shutil.which("zstd")), "-q", "-dc"]
            zstd = _Stage(stack, client, "zstd", Invocation(program, dict(os.environ)), source)
            source = zstd.output
        if client.newer_than_server:
            _through_psql(stack, client, source, database, arguments, application)
        else:
            command = ["--exit-on-error", "-w", "-d", conninfo_dbname(database), *arguments]
            if place == "container":
                assert isinstance(client, ContainerClient)
                script = 'set -o pipefail; zstd -q -dc | pg_restore "$@"'
                invocation = client.shell(script, command, application=application)
            else:
                invocation = client.program("pg_restore", command, application=application)
            target = _Stage(stack, client, "pg_restore", invocation)
            target.feed(iter(lambda: source.read(_BLOCK), b""))
            target.finish()
        source.close()
        if zstd is not None:
            zstd.finish()
    return time.monotonic() - begin


def _through_psql(
    stack: contextlib.ExitStack,
    client: Client,
    source: IO[bytes],
    database: str,
    arguments: list[str],
    application: str,
) -> None:
    """Restore with a pg_restore that is newer than the server.

    It begins with settings that an older server may not know (``SET transaction_timeout``, from
    17 on) and would stop there, so it writes a script, which psql gets without these lines.
    """
    with Session(client, database, application) as session:
        known = set(session.query("SELECT to_json(name) FROM pg_settings;"))
    writer = _Stage(
        stack, client, "pg_restore", client.program("pg_restore", ["-f", "-", *arguments]), source
    )
    reader = _Stage(
        stack,
        client,
        "psql",
        client.program(
            "psql",
            ["-X", "-q", "-w", "-o", os.devnull, "-v", "ON_ERROR_STOP=1"],
            database=database,
            application=application,
        ),
    )
    reader.feed(understood(writer.output, known))
    reader.finish()
    writer.finish()


def understood(script: IO[bytes], known: set[str]) -> Iterator[bytes]:
    """A restore's script without the settings at its beginning that the server does not know.

    Args:
        script: What ``pg_restore -f -`` writes.
        known: The names of the server's settings.
    """
    for line in script:
        setting = re.match(rb"SET (\w+) = ", line)
        if setting is None or setting.group(1).decode() in known:
            yield line
        if line.startswith(b"-- Name: "):
            break
    yield from iter(lambda: script.read(_BLOCK), b"")


class _Stage:
    """One process on a dump's way; ended with the stack, whatever happens."""

    def __init__(
        self,
        stack: contextlib.ExitStack,
        client: Client,
        name: str,
        invocation: Invocation,
        source: IO[bytes] | None = None,
    ) -> None:
        self._client = client
        self._name = name
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (the stack closes it)
        stack.callback(self._stderr.close)
        self._process = subprocess.Popen(
            invocation.argv,
            env=invocation.env,
            stdin=source or subprocess.PIPE,
            stdout=subprocess.PIPE if source else subprocess.DEVNULL,
            stderr=self._stderr,
        )
        self._preamble = invocation.preamble
        stack.callback(self._end)

    @property
    def output(self) -> IO[bytes]:
        """What the process writes."""
        assert self._process.stdout is not None
        return self._process.stdout

    def feed(self, blocks: Iterable[bytes]) -> None:
        """Write everything to the process; one that ends early is judged by its status."""
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError):
            stdin.write(self._preamble)
            for block in blocks:
                stdin.write(block)
            stdin.close()

    def finish(self) -> None:
        """Wait for the end.

        Raises:
            PostgresError: The process failed. One whose reader needed no more of it has not.
        """
        if self._process.stdout is not None:
            self._process.stdout.close()
        status = self._process.wait()
        if status not in (0, -signal.SIGPIPE):
            self._stderr.seek(0)
            words = self._stderr.read().decode("utf-8", "replace")
            raise self._client.explain(self._name, status, words)

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
