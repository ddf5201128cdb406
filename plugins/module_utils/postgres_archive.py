# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Bytes of a dump on their way from pg_dump to a file.

A dump is pg_dump's custom format without its own compression, piped through zstd on all cores:
three times as fast as pg_dump's default. Where no zstd is found it is the custom format with
pg_dump's own compression at level 1, on one core.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import IO, Any

from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import (
    Client,
    ContainerClient,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_program import (
    Invocation,
)

_BLOCK = 1 << 20
_PARTIAL = ".partial"


@dataclass(frozen=True)
class Compression:
    """Who compresses: zstd on the ``host``, zstd in the ``container``, or ``pg_dump`` itself."""

    by: str
    level: int

    @property
    def suffix(self) -> str:
        """The end of a dump's file name."""
        return ".dump" if self.by == "pg_dump" else ".dump.zst"


def zstd_place(client: Client) -> str:
    """Where a zstd is: ``host``, ``container`` or ``""``."""
    if shutil.which("zstd"):
        return "host"
    if isinstance(client, ContainerClient) and client.has("zstd", "bash"):
        return "container"
    return ""


def choose_compression(client: Client, wanted: str, level: int) -> Compression:
    """Decide who compresses.

    Args:
        client: Where pg_dump runs.
        wanted: ``auto`` (zstd where there is one, else pg_dump), ``zstd`` or ``pg_dump``.
        level: zstd's level, 1 to 19.

    Raises:
        PostgresError: zstd was asked for and there is none.
    """
    place = "" if wanted == "pg_dump" else zstd_place(client)
    if place:
        return Compression(place, level)
    if wanted == "zstd":
        raise PostgresError(
            "no_zstd",
            "There is no zstd on the host"
            + (" nor in the database's container." if client.in_container else "."),
            fix="Install the package zstd, or set postgres_backup_compression to auto.",
        )
    return Compression("pg_dump", 1)


def dump_pipeline(
    client: Client, compression: Compression, arguments: list[str], application: str
) -> list[Invocation]:
    """The processes of a dump, each reading what the one before writes."""
    internal = compression.level if compression.by == "pg_dump" else 0
    arguments = ["-Fc", f"-Z{internal}", "-w", *arguments]
    if compression.by == "container":
        assert isinstance(client, ContainerClient)
        zstd = ["zstd", "-q", f"-{compression.level}", "-T0"]
        return [client.filtered("pg_dump", arguments, zstd, application=application)]
    dump = client.program("pg_dump", arguments, application=application, lifeline=True)
    if compression.by == "pg_dump":
        return [dump]
    threads = len(os.sched_getaffinity(0))
    zstd = [str(shutil.which("zstd")), "-q", f"-{compression.level}", f"-T{threads}", "-c"]
    return [dump, Invocation(zstd, dict(os.environ))]


class Pipeline:
    """Processes connected by pipes; the last one's output is read with :meth:`blocks`."""

    def __init__(self, client: Client, invocations: list[Invocation], name: str) -> None:
        self._client = client
        self._name = name
        self._errors: list[IO[bytes]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        source: Any = subprocess.PIPE
        for invocation in invocations:
            stderr = tempfile.TemporaryFile()  # noqa: SIM115 (stop closes it)
            self._errors.append(stderr)
            process = subprocess.Popen(
                invocation.argv,
                env=invocation.env,
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
            if source is subprocess.PIPE:
                assert process.stdin is not None
                with contextlib.suppress(BrokenPipeError):
                    process.stdin.write(invocation.preamble)
                    process.stdin.flush()
                    if not invocation.lifeline:
                        process.stdin.close()
            else:
                source.close()
            self._processes.append(process)
            source = process.stdout

    def blocks(self) -> Any:
        """The last process's output in blocks of at most 1 MiB."""
        output = self._processes[-1].stdout
        assert output is not None
        return iter(lambda: output.read(_BLOCK), b"")

    def finish(self) -> None:
        """Wait for every process.

        Raises:
            PostgresError: One of them failed; the first one's words are given.
        """
        for process, stderr in zip(self._processes, self._errors):
            status = process.wait()
            if status != 0:
                stderr.seek(0)
                words = stderr.read().decode("utf-8", "replace")
                raise self._client.explain(self._name, status, words)

    def stop(self) -> None:
        """End what still runs and close every file."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        for stderr in self._errors:
            stderr.close()


def partial_path(path: str) -> str:
    """Where a dump grows before it is whole."""
    return os.path.join(os.path.dirname(path), "." + os.path.basename(path) + _PARTIAL)


def remove_abandoned(folder: str) -> list[str]:
    """Remove partial dumps that no process writes any more; a writer holds a lock on its own."""
    removed: list[str] = []
    for name in sorted(os.listdir(folder)):
        if not (name.startswith(".") and name.endswith(_PARTIAL)):
            continue
        path = os.path.join(folder, name)
        with open(path, "rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            os.unlink(path)
            removed.append(path)
    return removed


def receive(pipeline: Pipeline, path: str) -> tuple[int, str]:
    """Write a pipeline's output to ``path``, which appears only when it is whole.

    Returns:
        Size in bytes and SHA-256, taken while the bytes passed.

    Raises:
        PostgresError: The disk is full, the folder cannot be written, or a process failed;
            nothing is left behind.
    """
    beside = partial_path(path)
    digest = hashlib.sha256()
    size = 0
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for block in pipeline.blocks():
                    digest.update(block)
                    _write_all(stream, block)
                    size += len(block)
                pipeline.finish()
                os.fsync(stream.fileno())
                os.link(beside, path)
        finally:
            os.unlink(beside)
        atomic_file.fsync_directory(os.path.dirname(path))
    except OSError as error:
        raise disk_error(error, path, size) from error
    return size, digest.hexdigest()


def _write_all(stream: Any, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[stream.write(view) :]


def disk_error(error: OSError, path: str, size: int) -> PostgresError:
    """The error for a dump that could not be written, ``size`` bytes of it being there."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(os.path.dirname(path)).free
        return PostgresError(
            "disk_full",
            f"The disk of {os.path.dirname(path)} became full while the dump was written; "
            "the unfinished dump was removed.",
            found=f"room for {size} bytes of the dump, {free} bytes free now",
            fix="Make room there or set postgres_backup_dir to a folder with more.",
        )
    return PostgresError(
        "not_writable",
        f"The dump {path} could not be written.",
        found=str(error),
        fix="Check postgres_backup_dir and its owner.",
    )
