# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The text of a release, taken from where it is to where a linter can read it.

Only regular files that the linter reads are taken, so that a link, a device or a large file of data
never travels; and never more bytes than were asked for, on either side.
"""

from __future__ import annotations

import base64
import io
import os
import posixpath
import re
import tarfile
import zlib
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ansible_collections.cutover.django_q.plugins.module_utils.release_git import Git, GitError

# What a file costs beside its content: a header of a tar.
HEADER = 512


class TextError(Exception):
    """The text cannot be taken or laid out; the text is a sentence for the operator."""


@dataclass(frozen=True)
class Reads:
    """Which files a linter reads, as `celery2q describe` says it.

    Attributes:
        suffixes: lower case, with their dot.
        names: a pattern that the whole name has to match where its suffix is none of these.
        skipped_folders: names of folders that are left out, wherever they are.
        skipped_suffix: folders whose name ends so are left out as well.
        largest: bytes of one file; a larger one is left out.
    """

    suffixes: frozenset[str]
    names: re.Pattern[str]
    skipped_folders: frozenset[str]
    skipped_suffix: str
    largest: int

    @classmethod
    def of(cls, document: dict[str, Any]) -> Reads:
        """From the `reads` of a description."""
        return cls(
            frozenset(document["suffixes"]),
            re.compile(document["names"]),
            frozenset(document["skipped_folders"]),
            document["skipped_suffix"],
            int(document["largest"]),
        )

    def folder(self, path: str) -> bool:
        """Whether a folder's files are read."""
        return not any(
            part in self.skipped_folders or part.endswith(self.skipped_suffix)
            for part in path.split("/")
        )

    def file(self, path: str) -> bool:
        """Whether a file is read, by its path in the release."""
        parent, _slash, name = path.rpartition("/")
        if parent and not self.folder(parent):
            return False
        suffix = os.path.splitext(name)[1].lower()
        return suffix in self.suffixes or self.names.match(name) is not None


@dataclass
class Texts:
    """Files that were taken.

    Attributes:
        limit: bytes that all of them may have together, their headers included.
        origin: what is said to be too large when they have more.
        files: content by path, relative to the release, with forward slashes.
        skipped: [{path, reason}] of what a linter would want to read and does not get.
        total: bytes so far.
    """

    limit: int
    origin: str
    files: dict[str, bytes] = field(default_factory=dict)
    skipped: list[dict[str, str]] = field(default_factory=list)
    total: int = 0

    def reserve(self, path: str, size: int) -> None:
        """Count a file before it is read.

        Raises:
            TextError: it is one too much.
        """
        self.total += size + HEADER
        if self.total > self.limit:
            sizes: dict[str, int] = {}
            for name, content in self.files.items():
                top = name.partition("/")[0] if "/" in name else "."
                sizes[top] = sizes.get(top, 0) + len(content)
            largest = sorted(sizes, key=lambda name: -sizes[name])[:3]
            found = ", ".join(f"{name} {sizes[name] / 2**20:.1f} MiB" for name in largest)
            raise TextError(
                f"The text of {self.origin} has more than {self.limit} bytes, read up to {path}"
                + (f" ({found} among them)" if found else "")
                + "; expected no more than preflight_lint_max_bytes."
            )

    def skip(self, path: str, reason: str) -> None:
        """Name a file that is not taken."""
        self.skipped.append({"path": path, "reason": reason})

    def too_large(self, reads: Reads, path: str, size: int) -> bool:
        """Whether a file is left out for its size; code that is left out is named."""
        if size > reads.largest and path.endswith(".py"):
            self.skip(path, f"larger than {reads.largest} bytes")
        return size > reads.largest

    def packed(self) -> str:
        """All files as text: a tar, compressed by zlib, in Base64."""
        plain = io.BytesIO()
        with tarfile.open(
            fileobj=plain, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape"
        ) as tar:
            for path, content in sorted(self.files.items()):
                member = tarfile.TarInfo(path)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))
        return base64.b64encode(zlib.compress(plain.getvalue(), 6)).decode("ascii")


def of_commit(git: Git, sha: str, folder: str, reads: Reads, limit: int) -> Texts:
    """The text of a commit, from the object store: no file of the checkout is looked at.

    Args:
        sha: a commit that is in the repository.
        folder: the part of the tree that is meant, "" for all of it. Paths are relative to it.

    Raises:
        TextError: it is too much, or there is no such folder.
        GitError: Git failed.
    """
    texts = Texts(limit, f"the commit {sha[:12]}")
    prefix = f"{folder}/" if folder else ""
    listed = git.run_bytes(
        "ls-tree", "-r", "-l", "-z", "--full-tree", sha, "--", prefix or "."
    ).split(b"\0")
    wanted: list[tuple[str, str, int]] = []
    for line in listed:
        if not line:
            continue
        meta, _tab, name = os.fsdecode(line).partition("\t")
        mode, kind, oid, size = meta.split()
        path = name[len(prefix) :]
        if mode == "120000":
            if reads.file(path) and leads_out(
                path, os.fsdecode(git.run_bytes("cat-file", "blob", oid))
            ):
                texts.skip(path, "symbolic link out of the tree")
        elif mode == "160000":
            texts.skip(path, "a submodule, whose files are not here")
        elif kind == "blob" and reads.file(path) and not texts.too_large(reads, path, int(size)):
            texts.reserve(path, int(size))
            wanted.append((path, oid, int(size)))
    if folder and not any(listed):
        raise TextError(
            f"preflight_lint_dir: {folder!r} is no folder of the commit {sha[:12]}; expected a "
            "path relative to its top."
        )
    for (path, _oid, _size), content in zip(wanted, blobs(git, wanted)):
        texts.files[path] = content
    return texts


def blobs(git: Git, wanted: list[tuple[str, str, int]]) -> list[bytes]:
    """The content of blobs, by one `git cat-file`.

    Args:
        wanted: (path, id, size) of each.

    Raises:
        GitError: one of them is not there, or Git failed.
    """
    asked = "".join(f"{oid}\n" for _path, oid, _size in wanted).encode()
    done = git.run_bytes("cat-file", "--batch", stdin=asked)
    found, place = [], 0
    for path, oid, size in wanted:
        end = done.find(b"\n", place)
        if done[place:end].split() != [oid.encode(), b"blob", str(size).encode()]:
            raise GitError(f"The object {oid} of {path} is not in the repository.")
        found.append(done[end + 1 : end + 1 + size])
        place = end + 1 + size + 1
    return found


def of_tar(
    stream: BinaryIO, strip: int, folder: str, reads: Reads, texts: Texts, top: str = ""
) -> Texts:
    """The text of a tar, compressed by gzip, bzip2, xz or not at all, read once.

    Args:
        strip: leading parts of its paths to leave out.
        folder: the part of the tree that is meant, "" for all of it. Paths are relative to it.
        texts: takes the files up.
        top: where the tree stands by an absolute path, when links may name it so.

    Raises:
        TextError: it is no tar, cut short or too much, or there is no such folder.
    """
    prefix = f"{folder}/" if folder else ""
    inside = not folder
    try:
        with tarfile.open(fileobj=stream, mode="r|*", errors="surrogateescape") as tar:
            for member in tar:
                parts = [part for part in member.name.split("/") if part not in ("", ".")]
                name = "/".join(parts[strip:])
                if ".." in parts or not name.startswith(prefix):
                    continue
                path = name[len(prefix) :]
                inside = True
                if not path or not reads.file(path):
                    continue
                if member.issym():
                    if leads_out(path, member.linkname, top):
                        texts.skip(path, "symbolic link out of the tree")
                elif member.islnk():
                    # Its content stood where the tar had the file first; there is no way back.
                    texts.skip(path, f"a hard link to {member.linkname}")
                elif member.isreg() and not texts.too_large(reads, path, member.size):
                    texts.reserve(path, member.size)
                    content = tar.extractfile(member)
                    assert content is not None  # a regular file has content
                    texts.files[path] = content.read()
    except tarfile.TarError as error:
        raise TextError(f"{texts.origin} is no whole tar: {error}.") from None
    except (EOFError, zlib.error):
        raise TextError(f"{texts.origin} is cut short.") from None
    if not inside:
        raise TextError(
            f"preflight_lint_dir: {folder!r} is no folder of {texts.origin}; expected a path "
            "relative to its top."
        )
    return texts


def leads_out(path: str, target: str, top: str = "") -> bool:
    """Whether a symbolic link at `path` leads out of its tree, which stands at `top`."""
    if target.startswith("/"):
        return not (top and (target + "/").startswith(top.rstrip("/") + "/"))
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), target)).split("/")[0] == ".."


def lay(packed: str, folder: str, limit: int) -> int:
    """Write packed files below a folder; returns their number.

    What comes from a host is not trusted: nothing but files below the folder is written, and no
    more than the limit is unpacked.

    Args:
        packed: see `Texts.packed`.
        folder: an empty folder of the caller's own.
        limit: bytes, headers included.

    Raises:
        TextError: it holds something else, or too much.
    """
    # Blocks of 512 bytes and long names: at most four headers a file.
    most = 4 * limit + 20 * HEADER
    try:
        unpacker = zlib.decompressobj()
        plain = unpacker.decompress(base64.b64decode(packed, validate=True), most)
    except (ValueError, zlib.error):
        raise TextError("What the host sent is no packed text.") from None
    if not unpacker.eof:
        raise TextError(f"What the host sent is cut short, or has more than {most} bytes.")
    count = 0
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:", errors="surrogateescape") as tar:
            for member in tar:
                parts = member.name.split("/")
                if not member.isreg() or any(part in ("", ".", "..") for part in parts):
                    raise TextError(
                        f"The host sent {member.name!r}, which is no file of a release."
                    )
                content = tar.extractfile(member)
                assert content is not None  # a regular file has content
                write_new(folder, parts, content.read())
                count += 1
    except tarfile.TarError as error:
        raise TextError(f"What the host sent is no tar: {error}.") from None
    return count


def write_new(folder: str, parts: list[str], content: bytes) -> None:
    """Write a file that is not there yet, its folders too.

    Raises:
        TextError: something is in its place.
    """
    path = os.path.join(folder, *parts)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except (FileExistsError, NotADirectoryError):
        raise TextError(f"The host sent {'/'.join(parts)!r} twice.") from None
    with os.fdopen(handle, "wb") as stream:
        stream.write(content)
