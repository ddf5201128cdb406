# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Images on this host: asked for, tagged, untagged; and saved into one archive and loaded again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
from typing import IO, Any

from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    DockerError,
    last_lines,
    run,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_model import folder_of

ABSENT = "No such image"


def inspect(name: str) -> dict[str, Any] | None:
    """`docker image inspect` of an image's name or id, None when the host does not have it.

    Raises:
        DockerError: Docker does not answer.
    """
    try:
        return json.loads(run(["docker", "image", "inspect", name], timeout=60))[0]
    except DockerError as error:
        if ABSENT.lower() in str(error).lower():
            return None
        raise


def image_id(name: str) -> str | None:
    """The id of an image by name or id, None when the host does not have it.

    Raises:
        DockerError: Docker does not answer.
    """
    found = inspect(name)
    return found["Id"] if found else None


def tag(image: str, name: str, dry: bool = False) -> bool:
    """Give an image a name; True when the name led elsewhere before.

    Args:
        image: the image's id; in a dry run "" for one that is not made yet.
        name: the name.
        dry: only tell.

    Raises:
        DockerError: the image is not on the host.
    """
    if dry and not image:
        return True
    if image_id(name) == image:
        return False
    if image_id(image) is None:
        raise DockerError(
            f"The image {image[:19]} for {name} is not on the host. Load it from the run's "
            "archive first (role release, tasks_from load)."
        )
    if not dry:
        run(["docker", "image", "tag", image, name], timeout=60)
    return True


def untag(name: str, dry: bool = False) -> bool:
    """Take a name from an image, and the image when that was its last; True when it was there.

    Raises:
        DockerError: Docker does not answer.
    """
    if image_id(name) is None:
        return False
    if not dry:
        run(["docker", "image", "rm", "--force", name], timeout=120)
    return True


def build(path: str, project: str, timeout: float) -> None:
    """Build what a Compose file says; the whole output goes to `build.log` beside it.

    Args:
        path: the Compose file.
        project: Compose's project name, for the images' labels.
        timeout: seconds.

    Raises:
        DockerError: the build failed; the text holds its last lines.
    """
    folder = os.path.dirname(path)
    log = os.path.join(folder, "build.log")
    argv = ["docker", "compose", "--project-directory", folder, "--progress", "plain"]
    environment = {**os.environ, "COMPOSE_BAKE": "false", "DOCKER_CLI_HINTS": "false"}
    handle = os.open(log, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w+", encoding="utf-8", errors="replace") as stream:
        try:
            status = subprocess.run(
                [*argv, "-p", project, "-f", path, "build"],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
                timeout=timeout,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            raise DockerError(
                f"The build of the new release took longer than {timeout:g} s "
                f"(release_build_timeout) and was given up. Its output is in {log}; what runs was "
                "not touched."
            ) from None
        if status != 0:
            stream.seek(0)
            raise DockerError(
                "The build of the new release failed; what runs was not touched. The whole output "
                f"is in {log}. It ended with:\n{last_lines(stream.read(), 15)}"
            )


def of_run(project: str, run_id: str) -> list[str]:
    """The names that a run gave to images, whether it recorded them or not.

    Args:
        project: Compose's project name.
        run_id: the run's id.

    Raises:
        DockerError: Docker does not answer.
    """
    pattern = f"reference={folder_of(project)}/*:{run_id}-*"
    command = ["docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", pattern]
    return sorted(run(command, timeout=60).split())


def free_bytes(folder: str) -> int:
    """Bytes that may be written into a folder's file system."""
    room = os.statvfs(folder)
    return room.f_bavail * room.f_frsize


def require_room(folder: str, needed: int, purpose: str) -> None:
    """Refuse when a folder's file system has less room than needed.

    Raises:
        DockerError: it has less.
    """
    free = free_bytes(folder)
    if free < needed:
        raise DockerError(
            f"No room for {purpose}: {folder} has {free / 1e6:.0f} MB left, expected at least "
            f"{needed / 1e6:.0f} MB. Make room there, or point deployment_state_dir to a larger "
            "disk."
        )


def packer() -> tuple[list[str], str]:
    """The command that compresses, and the ending of its files: zstd, or gzip where it lacks."""
    if shutil.which("zstd"):
        return ["zstd", "-3", "-T0", "-q", "-c"], ".zst"
    return ["gzip", "-1", "-c"], ".gz"


def unpacker(path: str) -> list[str]:
    """The command that unpacks an archive to its standard output."""
    return ["zstd", "-dcq", path] if path.endswith(".zst") else ["gzip", "-dc", path]


def save(images: list[dict[str, str]], path: str) -> dict[str, Any]:
    """Save images with their tags into one compressed archive, whole or not at all.

    Beside it stands `<path>.json`: what it holds, its size and SHA-256.

    Args:
        images: id and tag of each.
        path: the archive's path; its ending must be the one of `packer`.

    Returns:
        path, size (bytes), sha256.

    Raises:
        DockerError: docker or the packer failed.
        OSError: the archive cannot be written.
    """
    beside = path + ".part"
    digest = hashlib.sha256()
    with tempfile.TemporaryFile() as said:
        docker = subprocess.Popen(
            ["docker", "image", "save", *sorted({image["tag"] for image in images})],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
        )
        pack = subprocess.Popen(
            packer()[0], stdin=docker.stdout, stdout=subprocess.PIPE, stderr=said
        )
        assert docker.stdout is not None
        assert pack.stdout is not None
        docker.stdout.close()
        try:
            handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "wb") as target:
                while block := pack.stdout.read(1 << 20):
                    digest.update(block)
                    target.write(block)
                target.flush()
                os.fsync(target.fileno())
        except BaseException:
            _end(docker, pack)
            if os.path.exists(beside):
                os.unlink(beside)
            raise
        pack.stdout.close()
        if docker.wait() != 0 or pack.wait() != 0:
            os.unlink(beside)
            raise DockerError(f"The images could not be saved: {_text(said)}")
    result = {"path": path, "size": os.path.getsize(beside), "sha256": digest.hexdigest()}
    listed = sorted(images, key=lambda image: image["tag"])
    os.replace(beside, path)
    atomic_file.replace_json(path + ".json", {**result, "images": listed})
    return result


def saved(images: list[dict[str, str]], path: str) -> dict[str, Any] | None:
    """What an earlier `save` of the same images returned, None when it is not there and whole."""
    try:
        with open(path + ".json", encoding="utf-8") as stream:
            known = json.load(stream)
        wanted = sorted(images, key=lambda image: image["tag"])
        if known.pop("images") != wanted or atomic_file.sha256(path) != known["sha256"]:
            return None
    except (OSError, ValueError, KeyError):
        return None
    return known


def load(path: str, sha256: str) -> None:
    """Load an archive's images, after its checksum was found right.

    Raises:
        DockerError: it is not there, is not what was saved, or docker refuses it.
    """
    try:
        found = atomic_file.sha256(path)
    except OSError as error:
        raise DockerError(
            f"The archive of the images, {path}, cannot be read: {error.strerror}. Without it "
            "and without the images the release cannot be switched."
        ) from None
    if found != sha256:
        raise DockerError(
            f"The archive of the images, {path}, is damaged: its SHA-256 is {found}, expected "
            f"{sha256}. It was not loaded. Put the file back from a copy."
        )
    with tempfile.TemporaryFile() as said:
        unpack = subprocess.Popen(
            unpacker(path), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said
        )
        docker = subprocess.Popen(
            ["docker", "image", "load", "--quiet"],
            stdin=unpack.stdout,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        assert unpack.stdout is not None
        unpack.stdout.close()
        if docker.wait() != 0 or unpack.wait() != 0:
            raise DockerError(f"The archive {path} could not be loaded: {_text(said)}")


def _end(*processes: subprocess.Popen[bytes]) -> None:
    """End processes of a pipe whose reader failed."""
    for process in processes:
        process.kill()
        process.wait()


def _text(said: IO[bytes]) -> str:
    """The last lines that processes wrote into a file."""
    said.seek(0)
    return last_lines(said.read().decode("utf-8", "replace"))
