# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Trees of files: unpacked from a tar that need not be trusted, and laid over a folder and back."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from typing import Any, BinaryIO

from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file


class TreeError(Exception):
    """A tree cannot be unpacked or laid; the text is a sentence for the operator."""


def stripped(name: str, strip: int) -> str | None:
    """A member's path without its first `strip` parts; None when nothing is left of it."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "/".join(parts[strip:]) or None


def refusal(member: tarfile.TarInfo, links: set[str], links_inside: bool) -> str | None:
    """Why a member of a tar must not be unpacked, None when it may be.

    Args:
        member: its name relative to the folder it is unpacked into.
        links: the names of the symbolic links unpacked so far.
        links_inside: whether a symbolic link must stay inside the folder.
    """
    name = member.name
    parts = name.split("/")
    if name.startswith("/") or ".." in parts:
        return "its path leads out of the release"
    if any("/".join(parts[:depth]) in links for depth in range(1, len(parts))):
        return "its path leads through a symbolic link"
    if member.issym() and links_inside:
        target = os.path.normpath(os.path.join(os.path.dirname(name), member.linkname))
        if member.linkname.startswith("/") or target.split("/")[0] == "..":
            return f"it is a link to {member.linkname}, outside the release"
    if not (member.isreg() or member.isdir() or member.issym() or member.islnk()):
        return "it is neither a file, a folder nor a link"
    return None


def unpack(stream: BinaryIO, folder: str, strip: int = 0, links_inside: bool = True) -> int:
    """Unpack a tar, compressed by gzip, bzip2, xz or not at all, into a folder.

    Modes are 0755 or 0644 as Git has them; owners are the one who unpacks.

    Args:
        stream: the tar, read once from the start.
        folder: where to; it is made and must not be there.
        strip: leading path parts to leave out.
        links_inside: refuse symbolic links that lead out of the folder.

    Returns:
        The number of files and links.

    Raises:
        TreeError: it is no tar, is cut short or holds something that must not be unpacked.
        OSError: no room, no rights.
    """
    os.makedirs(folder, mode=0o755)
    links: set[str] = set()
    count = 0
    try:
        with tarfile.open(fileobj=stream, mode="r|*") as tar:
            for member in tar:
                shown, name = member.name, member.name
                if not name.startswith("/"):
                    name = stripped(name, strip) or ""
                    if not name or (member.isdir() and name == "."):
                        continue
                member.name = name
                if member.islnk():
                    member.linkname = stripped(member.linkname, strip) or ""
                reason = refusal(member, links, links_inside)
                if reason:
                    raise TreeError(f"The release's archive is refused: {shown!r}: {reason}.")
                count += _unpack_member(tar, member, folder)
                if member.issym():
                    links.add(name)
    except tarfile.TarError as error:
        raise TreeError(f"The release's archive is no whole tar archive: {error}.") from None
    except EOFError:
        raise TreeError("The release's archive is cut short.") from None
    return count


def _unpack_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: str) -> int:
    """Unpack one member that was found good; 1 for a file or link, 0 for a folder."""
    path = os.path.join(folder, member.name)
    if member.isdir():
        os.makedirs(path, mode=0o755, exist_ok=True)
        return 0
    os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
    if os.path.lexists(path):
        os.unlink(path)
    if member.issym():
        os.symlink(member.linkname, path)
        return 1
    if member.islnk():
        source = os.path.join(folder, member.linkname)
        if ".." in member.linkname.split("/") or not os.path.isfile(source):
            raise TreeError(
                f"The release's archive is refused: {member.name!r} is a hard link to "
                f"{member.linkname!r}, which is not in it."
            )
        shutil.copy2(source, path)
        return 1
    content = tar.extractfile(member)
    assert content is not None  # a regular file has content
    write_file(path, content, member.mode & 0o111 != 0)
    return 1


def write_file(path: str, content: BinaryIO, executable: bool) -> None:
    """Write a new file with mode 0755 or 0644."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as target:
        shutil.copyfileobj(content, target, 1 << 20)
        os.fchmod(target.fileno(), 0o755 if executable else 0o644)


def files_below(folder: str) -> list[str]:
    """Paths, relative to `folder`, of the files and links below it, sorted."""
    found = []
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if os.path.islink(os.path.join(place, name))]
        for name in files + links:
            found.append(os.path.relpath(os.path.join(place, name), folder))
    return sorted(found)


def same(one: str, other: str) -> bool:
    """Whether two paths hold the same: a link to the same target, or equal bytes and x bits."""
    if os.path.islink(one) or os.path.islink(other):
        return (
            os.path.islink(one) and os.path.islink(other) and os.readlink(one) == os.readlink(other)
        )
    if not (os.path.isfile(one) and os.path.isfile(other)):
        return False
    left, right = os.stat(one), os.stat(other)
    if left.st_size != right.st_size or (left.st_mode ^ right.st_mode) & stat.S_IXUSR:
        return False
    with open(one, "rb") as first, open(other, "rb") as second:
        while block := first.read(1 << 20):
            if block != second.read(len(block)):
                return False
    return True


def plan_overlay(
    tree: str, project: str, keep: list[str], remove: list[str]
) -> dict[str, list[str]]:
    """What laying a tree over a project's folder does, by paths relative to both.

    Args:
        tree: the release's files.
        project: the folder that they go to; files of its own are left alone.
        keep: paths that stay as they are, though the tree has them.
        remove: paths of the project that the new release no longer has.

    Returns:
        created: files that the project does not have; folders: those that they need made;
        replaced: files that differ; removed.

    Raises:
        TreeError: a folder stands where a file is to go, the other way round, or a path leads
            out of the project through a link.
    """
    plan: dict[str, list[str]] = {"created": [], "folders": [], "replaced": [], "removed": []}
    top = os.path.realpath(project)
    for name in files_below(tree):
        if name in keep:
            continue
        there = os.path.join(project, name)
        parent = os.path.dirname(there)
        real = os.path.realpath(parent)
        if real != top and not real.startswith(top + os.sep):
            raise TreeError(
                f"The release has the file {name}, but {parent} leads out of {project} through a "
                "symbolic link; nothing was written. Take the file out of the release, or name it "
                "in release_archive_keep."
            )
        blocked = os.path.isdir(there) and not os.path.islink(there)
        if blocked or any(
            os.path.lexists(up) and not os.path.isdir(up) for up in _parents(project, name)
        ):
            raise TreeError(
                f"The release has the file {name}, where {project} has a folder, or a file in the "
                "place of one of its folders; nothing was written. Move that out of the way."
            )
        if not os.path.lexists(there):
            plan["created"].append(name)
            for up in _parents("", name):
                if up not in plan["folders"] and not os.path.isdir(os.path.join(project, up)):
                    plan["folders"].append(up)
        elif not same(os.path.join(tree, name), there):
            plan["replaced"].append(name)
    for name in remove:
        there = os.path.join(project, name)
        if os.path.islink(there) or os.path.isfile(there):
            plan["removed"].append(name)
    return plan


def _parents(project: str, name: str) -> list[str]:
    """The folders between a project's folder and a path in it."""
    parts = name.split("/")[:-1]
    return [os.path.join(project, *parts[: depth + 1]) for depth in range(len(parts))]


def keep_originals(project: str, plan: dict[str, list[str]], tar_path: str) -> None:
    """Put what a plan replaces and removes into a tar, whole or not at all, mode 0600."""
    beside = tar_path + ".part"
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        with tarfile.open(fileobj=stream, mode="w") as tar:
            for name in plan["replaced"] + plan["removed"]:
                tar.add(os.path.join(project, name), arcname=name, recursive=False)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(beside, tar_path)
    atomic_file.fsync_directory(os.path.dirname(tar_path))


def lay(tree: str, project: str, plan: dict[str, list[str]]) -> bool:
    """Carry a plan out, file by file, each whole or not at all; True when something changed.

    A new file belongs to the owner of the project's folder, a replaced one to whom it belonged.
    """
    changed = False
    owner = os.stat(project)
    for name in plan["created"] + plan["replaced"]:
        source, there = os.path.join(tree, name), os.path.join(project, name)
        if same(source, there):
            continue
        before: Any = os.lstat(there) if os.path.lexists(there) else owner
        for folder in _parents(project, name):
            if not os.path.isdir(folder):
                os.mkdir(folder, 0o755)
                os.chown(folder, owner.st_uid, owner.st_gid)
        put(source, there, before.st_uid, before.st_gid)
        changed = True
    for name in plan["removed"]:
        there = os.path.join(project, name)
        if os.path.lexists(there):
            os.unlink(there)
            changed = True
    return changed


def put(source: str, there: str, uid: int, gid: int) -> None:
    """Copy a file or link to `there`, written beside and renamed."""
    beside = os.path.join(os.path.dirname(there), f".{os.path.basename(there)}.cutover")
    if os.path.lexists(beside):
        os.unlink(beside)
    if os.path.islink(source):
        os.symlink(os.readlink(source), beside)
    else:
        shutil.copyfile(source, beside)
        os.chmod(beside, stat.S_IMODE(os.stat(source).st_mode))
    os.chown(beside, uid, gid, follow_symlinks=False)
    os.replace(beside, there)


def lift(project: str, plan: dict[str, list[str]], tar_path: str, scratch: str) -> bool:
    """Undo `lay`: put the originals back and take away what was created; True when changed.

    Args:
        tar_path: what `keep_originals` wrote.
        scratch: a folder for unpacking, made and removed here.
    """
    changed = False
    if os.path.isdir(scratch):
        shutil.rmtree(scratch)
    owners: dict[str, tuple[int, int, int]] = {}
    with tarfile.open(tar_path) as tar:
        owners = {item.name: (item.uid, item.gid, item.mode) for item in tar}
    with open(tar_path, "rb") as stream:
        unpack(stream, scratch, links_inside=False)
    try:
        for name, (uid, gid, mode) in owners.items():
            source, there = os.path.join(scratch, name), os.path.join(project, name)
            if not os.path.islink(source):
                os.chmod(source, mode)
            if not same(source, there):
                os.makedirs(os.path.dirname(there), exist_ok=True)
                put(source, there, uid, gid)
                changed = True
        for name in plan["created"]:
            there = os.path.join(project, name)
            if os.path.lexists(there):
                os.unlink(there)
                changed = True
        for name in sorted(plan["folders"], reverse=True):
            there = os.path.join(project, name)
            if os.path.isdir(there) and not os.listdir(there):
                os.rmdir(there)
    finally:
        shutil.rmtree(scratch)
    return changed
