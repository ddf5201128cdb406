# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Files that are whole or absent: written beside, flushed to the disk, renamed."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from typing import Any


def fsync_directory(path: str) -> None:
    """Flush a directory, so that a rename or a link in it survives a crash of the host.

    Raises:
        OSError: the directory cannot be opened or flushed.
    """
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_beside(path: str, data: bytes, mode: int = 0o600) -> str:
    """Write `data` into a new file beside `path` and flush it to the disk.

    Returns:
        The new file's path, in the same directory, so that a rename or a link is atomic.

    Raises:
        OSError: the directory is not there, is full or cannot be written.
    """
    handle, beside = tempfile.mkstemp(
        prefix="." + os.path.basename(path) + ".", dir=os.path.dirname(path) or "."
    )
    try:
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        os.unlink(beside)
        raise
    return beside


def replace(path: str, data: bytes, mode: int = 0o600) -> None:
    """Put `data` at `path`: at every moment a reader sees the old content or the new one.

    Raises:
        OSError: see `write_beside`.
    """
    beside = write_beside(path, data, mode)
    try:
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    fsync_directory(os.path.dirname(path) or ".")


def create(path: str, data: bytes, mode: int = 0o600) -> None:
    """Put `data` at `path` if nothing is there: atomic, and never half written.

    Raises:
        FileExistsError: something is at `path` already; it is left as it is.
        OSError: see `write_beside`.
    """
    beside = write_beside(path, data, mode)
    try:
        os.link(beside, path)
    finally:
        os.unlink(beside)
    fsync_directory(os.path.dirname(path) or ".")


def replace_json(path: str, document: Any, mode: int = 0o600) -> None:
    """Write `document` as indented JSON with `replace`."""
    text = json.dumps(document, indent=2, sort_keys=False, ensure_ascii=False) + "\n"
    replace(path, text.encode("utf-8"), mode)


def sha256(path: str) -> str:
    """The SHA-256 of a file's content, in hexadecimal.

    Raises:
        OSError: the file cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
