# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A project's Compose files on the host: reading, keeping, proving and replacing them.

Runs on the host, where Python's own library and Docker are all that can be counted on.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    ComposeProject,
    DockerError,
    run,
)

# The first version of Engine's API, and of Compose, with `start_interval` in health checks.
_START_INTERVAL_API = (1, 44)
_START_INTERVAL_COMPOSE = (2, 21)


class FilesError(Exception):
    """Something is wrong with a file; the text is a sentence for the operator."""


@dataclass
class Original:
    """A Compose file of the project as it stands, and the text from which the edit starts.

    Attributes:
        path: as the project names it, relative to its folder.
        data: the project's own content; None when the project does not have the file.
        base: the content from which the edit starts: the target release's, else the project's.
        mode: permission bits. uid, gid: owner.
    """

    path: str
    data: bytes | None
    base: bytes
    mode: int
    uid: int
    gid: int

    @property
    def sha256_before(self) -> str:
        """SHA-256 of the project's own content; empty when there is none."""
        return "" if self.data is None else hashlib.sha256(self.data).hexdigest()

    @property
    def sha256_base(self) -> str:
        """SHA-256 of the content from which the edit starts."""
        return hashlib.sha256(self.base).hexdigest()


def read_original(project_dir: str, tree: str, path: str) -> Original:
    """Read a Compose file of the project and, where there is one, the target release's.

    Raises:
        FilesError: neither can be read.
    """
    own = os.path.join(project_dir, path)
    other = os.path.join(tree, path) if tree else ""
    data: bytes | None = None
    mode, uid, gid = 0o644, os.getuid(), os.getgid()
    try:
        if os.path.isfile(own):
            status = os.stat(own)
            mode, uid, gid = status.st_mode & 0o7777, status.st_uid, status.st_gid
            with open(own, "rb") as stream:
                data = stream.read()
        if other and os.path.isfile(other):
            with open(other, "rb") as stream:
                base = stream.read()
        elif data is not None:
            base = data
        else:
            raise FilesError(
                f"{own} is not there. Expected: the Compose file that deployment_compose_files "
                "names. Correct the name or deployment_project_dir."
            )
    except OSError as error:
        raise FilesError(f"{own} cannot be read: {error.strerror}.") from None
    return Original(path, data, base, mode, uid, gid)


def encoded(data: bytes) -> str:
    """Bytes for the way through JSON."""
    return base64.b64encode(data).decode("ascii")


def decoded(text: str) -> bytes:
    """What `encoded` made."""
    return base64.b64decode(text)


def kept_name(path: str) -> str:
    """Where a file stands inside a folder that keeps copies: never outside of it."""
    parts = [part for part in os.path.normpath(path).split(os.sep) if part]
    return os.path.join(*("__" if part == ".." else part for part in parts))


def keep(folder: str, path: str, data: bytes, overwrite: bool = True) -> tuple[str, bool]:
    """Keep a copy under a folder; returns its path and whether anything was written.

    Args:
        folder: it is made when it is not there.
        path: the file's path in its project.
        data: its content.
        overwrite: whether another content of that name gives way; else the copy's name gets a
            part of its SHA-256.

    Raises:
        OSError: the disk is full or the folder cannot be written.
    """
    target = os.path.join(folder, kept_name(path))
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    for name in (target, f"{target}.{hashlib.sha256(data).hexdigest()[:12]}"):
        if os.path.isfile(name):
            with open(name, "rb") as stream:
                if stream.read() == data:
                    return name, False
        if overwrite or not os.path.lexists(name):
            break
    atomic_file.replace(name, data)
    return name, True


def start_interval_known() -> bool:
    """Whether Engine and Compose know a health check's `start_interval`."""
    try:
        api = run(["docker", "version", "--format", "{{.Server.APIVersion}}"], timeout=20)
        compose = run(["docker", "compose", "version", "--short"], timeout=20)
    except DockerError:
        return False
    return _version(api) >= _START_INTERVAL_API and _version(compose) >= _START_INTERVAL_COMPOSE


def _version(text: str) -> tuple[int, int]:
    """The first two numbers of a version."""
    numbers = [int(number) for number in re.findall(r"\d+", text)[:2]]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (0, 0)


@dataclass
class Reader:
    """Reads Compose models of a project whose files stand somewhere else.

    Attributes:
        project: the project on the host.
        tree: the target release's unpacked tree; empty for none.
        scratch: a folder for what is needed for a moment.
    """

    project: ComposeProject
    tree: str
    scratch: str

    def models(self, before: list[str], after: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Compose's reading of two lists of files (absolute paths), in the same surroundings.

        Files that the target release brings (an env_file, say) are not in the project's folder
        yet: where Compose misses something there, both are read in a folder of links in which
        the release's files stand before the project's.

        Raises:
            DockerError: Compose does not accept them.
        """
        try:
            return self._model(self.project.directory, before), self._model(
                self.project.directory, after
            )
        except DockerError:
            if not self.tree:
                raise
        joined = os.path.join(self.scratch, "joined")
        try:
            link_trees(joined, self.tree, self.project.directory)
            return self._model(joined, before), self._model(joined, after)
        finally:
            shutil.rmtree(joined, ignore_errors=True)

    def _model(self, directory: str, files: list[str]) -> dict[str, Any]:
        project = ComposeProject(directory, self.project.name, files, [*self.project.env_files])
        return project.config()


def link_trees(target: str, first: str, second: str) -> None:
    """Make a folder of links to the files of two folders; those of the first win.

    Raises:
        OSError: it cannot be made.
    """
    os.makedirs(target, mode=0o700, exist_ok=True)
    names = set(os.listdir(first)) | set(os.listdir(second))
    for name in sorted(names - {".git"}):
        one, two = os.path.join(first, name), os.path.join(second, name)
        here = os.path.join(target, name)
        if os.path.isdir(one) and os.path.isdir(two):
            link_trees(here, one, two)
        else:
            os.symlink(one if os.path.lexists(one) else two, here)


def replace_keeping_owner(path: str, data: bytes, mode: int, uid: int, gid: int) -> None:
    """Put content at a path at once, with the owner and mode given; links are followed.

    Raises:
        OSError: the folder cannot be written or the owner not be set.
    """
    path = os.path.realpath(path)
    beside = atomic_file.write_beside(path, data, mode)
    try:
        if (uid, gid) != (os.getuid(), os.getgid()):
            os.chown(beside, uid, gid)
            os.chmod(beside, mode)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise
    atomic_file.fsync_directory(os.path.dirname(path))
