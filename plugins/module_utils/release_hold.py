# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A checkout that leaves some files as they are: their bytes belong to another role."""

from __future__ import annotations

import json
import os
import shutil
import stat
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import Git, GitError

RECORD = "held.json"


class Hold:
    """Files of a checkout that are put aside while Git changes the rest, and then put back.

    Their copies and the record of them stand in a folder outside the checkout, so that a call
    after a crash in between puts them back all the same.

    Attributes:
        git: Git at the checkout's top.
        folder: where the copies go; made when needed, mode 0700.
        names: the files, relative to the checkout's top.
    """

    def __init__(self, git: Git, folder: str, names: list[str]) -> None:
        self.git = git
        self.folder = folder
        self.names = names

    def _path(self, name: str) -> str:
        return os.path.join(self.git.directory, name)

    def pending(self) -> dict[str, Any]:
        """What a call that was cut off had put aside, by file; {} when there was none."""
        try:
            with open(os.path.join(self.folder, RECORD), encoding="utf-8") as stream:
                return json.load(stream)
        except FileNotFoundError:
            return {}

    def needed(self, target: str) -> list[str]:
        """The files that a checkout of `target` would change, refuse to change or lose."""
        return [
            name
            for name in self.names
            if os.path.lexists(self._path(name)) and not self._indifferent(name, target)
        ]

    def _indifferent(self, name: str, target: str) -> bool:
        """Whether a checkout of `target` leaves a file as it is."""
        if not self._tracked(name):
            return not self.git.succeeds("cat-file", "-e", f"{target}:{name}")
        return self.git.succeeds("diff", "--quiet", "HEAD", "--", name) and self.git.succeeds(
            "diff", "--quiet", "HEAD", target, "--", name
        )

    def _tracked(self, name: str) -> bool:
        return self.git.succeeds("ls-files", "--error-unmatch", "--", name)

    def take(self, names: list[str]) -> dict[str, Any]:
        """Put files aside: copied first, recorded, and only then given back to Git."""
        if not names:
            return {}
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        record: dict[str, Any] = {}
        for number, name in enumerate(names):
            path = self._path(name)
            info = os.stat(path)
            with open(path, "rb") as stream:
                atomic_file.replace(os.path.join(self.folder, str(number)), stream.read())
            record[name] = {
                "copy": str(number),
                "mode": stat.S_IMODE(info.st_mode),
                "uid": info.st_uid,
                "gid": info.st_gid,
            }
        atomic_file.replace_json(os.path.join(self.folder, RECORD), record)
        return record

    def release(self, record: dict[str, Any]) -> None:
        """Let Git have its own version of the files that were put aside."""
        for name in record:
            if self._tracked(name):
                self.git.run("checkout", "--quiet", "HEAD", "--", name)
            elif os.path.lexists(self._path(name)):
                os.unlink(self._path(name))

    def put_back(self, record: dict[str, Any]) -> None:
        """Put the files back, each whole or not at all, and forget that they were aside."""
        for name, kept in record.items():
            path = self._path(name)
            with open(os.path.join(self.folder, kept["copy"]), "rb") as stream:
                content = stream.read()
            os.makedirs(os.path.dirname(path), exist_ok=True)
            beside = atomic_file.write_beside(path, content, kept["mode"])
            os.chown(beside, kept["uid"], kept["gid"])
            os.replace(beside, path)
        if os.path.isdir(self.folder):
            shutil.rmtree(self.folder)


def switch_commit(git: Git, hold: Hold, sha: str, branch: str | None, forward: bool) -> bool:
    """Check a commit out, and leave the held files as they stand; True when something changed.

    Args:
        git: Git at the checkout's top.
        hold: the files whose bytes stay.
        sha: the commit.
        branch: the branch to be on, if it leads there; None for a detached head.
        forward: towards the new release. Then what an interrupted call had put aside is put back;
            on the way back it is dropped, since the originals are put back by who keeps them.

    Raises:
        GitError: Git refuses, for example since other files were changed. The held files are back.
    """
    pending = hold.pending()
    head, on = git.head()
    reachable = branch if branch and git.commit_of("refs/heads/" + branch) == sha else None
    if head == sha and on == reachable:
        if pending:
            hold.put_back(pending if forward else {})
        return bool(pending)
    if pending and not forward:
        pending = {}
    record = pending or hold.take(hold.needed(sha))
    try:
        hold.release(record)
        if reachable:
            git.run("checkout", "--quiet", reachable, "--")
        else:
            git.run("checkout", "--quiet", "--detach", sha, "--")
    except GitError as error:
        raise GitError(
            f"The checkout of {sha[:12]} in {git.directory} is refused, and was left as it is: "
            f"{error} Commit, move away or undo the local changes that it names."
        ) from None
    finally:
        hold.put_back(record)
    return True
