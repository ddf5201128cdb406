# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A commit of the new release: found by its name, fetched, and written to a folder."""

from __future__ import annotations

import io
import os
import subprocess

from ansible_collections.cutover.django_q.plugins.module_utils.release_git import (
    KEPT,
    SHA,
    Git,
    GitError,
    choose_ref,
    tail,
    unknown_ref,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_tree import (
    TreeError,
    files_below,
    unpack,
    write_file,
)


def resolve(git: Git, ref: str, keep: str, dry: bool) -> tuple[str, list[str]]:
    """The commit that a ref names, fetched unless `dry`; and what could not be checked.

    Raises:
        GitError: there is no such ref, or the remote does not answer.
    """
    if SHA.match(ref) and len(ref) == 40 and git.commit_of(ref):
        if not dry:
            git.run("update-ref", KEPT + keep, ref)
        return ref, []
    refs = git.remote_refs()
    name = choose_ref(ref, refs)
    if name is not None:
        if dry:
            return refs[name], ["The ref was resolved, its files were not fetched."]
        git.fetch(f"+{name}:{KEPT}{keep}")
        sha = git.commit_of(KEPT + keep)
        if sha is None:
            raise GitError(f"release_target_ref: {ref!r} ({name}) leads to no commit.")
        return sha, []
    if not SHA.match(ref):
        raise GitError(unknown_ref(ref, git.remote, refs))
    sha = git.commit_of(ref)
    if sha is None and dry:
        return "", [f"Whether the remote has the commit {ref} is known only after a fetch."]
    if sha is None:
        # Not every server hands out a commit by its id: all branches and tags hold it, if any do.
        scratch = f"{KEPT}{keep}.all/"
        git.fetch(f"+refs/heads/*:{scratch}heads/*", f"+refs/tags/*:{scratch}tags/*")
        sha = git.commit_of(ref)
        if sha is not None:
            git.run("update-ref", KEPT + keep, sha)
        git.forget(scratch)
        if sha is None:
            raise GitError(unknown_ref(ref, git.remote, refs))
    if not dry:
        git.run("update-ref", KEPT + keep, sha)
    return sha, []


def export(git: Git, sha: str, dest: str) -> int:
    """Write a commit's files to `<dest>.part`, all of them; returns their number.

    `git archive` leaves out what .gitattributes marks as export-ignore; a checkout would have it,
    so it is added.

    Raises:
        GitError: Git failed, or the commit has submodules.
    """
    listed: dict[str, str] = {}
    for line in git.run_bytes("ls-tree", "-r", "-z", "--full-tree", sha).split(b"\0"):
        if line:
            meta, _tab, name = os.fsdecode(line).partition("\t")
            listed[name] = meta.split()[0]
    modules = [name for name, mode in listed.items() if mode == "160000"]
    if modules:
        raise GitError(
            f"The release has Git submodules ({', '.join(modules[:5])}), whose files a fetch of "
            "the ref does not bring. Use release_strategy archive or image."
        )
    folder = dest + ".part"
    process = git.popen(
        "-c",
        "tar.umask=022",
        "archive",
        "--format=tar",
        sha,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        unpack(process.stdout, folder, links_inside=False)
        while process.stdout.read(1 << 20):
            pass  # the padding after the tar's end
    except TreeError:
        process.kill()
        raise
    finally:
        said = process.stderr.read()
        status = process.wait()
    if status != 0:
        raise GitError(f"`git archive` failed: {tail(os.fsdecode(said))}.")
    present = set(files_below(folder))
    for name in sorted(set(listed) - present):
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        content = git.run_bytes("cat-file", "--filters", f"{sha}:{name}")
        if listed[name] == "120000":
            os.symlink(os.fsdecode(content), path)
        else:
            write_file(path, io.BytesIO(content), listed[name] == "100755")
    return len(listed)


def in_the_way(git: Git, root: str, sha: str, tree: str) -> list[str]:
    """Files that the release tracks and that stand in the checkout untracked, with other content.

    A checkout would refuse them, or replace them in silence where .gitignore names them.
    """
    added = git.run_bytes("diff", "--name-only", "--diff-filter=A", "-z", "HEAD", sha)
    found = []
    for raw in added.split(b"\0"):
        name = os.fsdecode(raw)
        here = os.path.join(root, name)
        if not name or not os.path.lexists(here):
            continue
        try:
            with open(here, "rb") as one, open(os.path.join(tree, name), "rb") as other:
                equal = one.read() == other.read()
        except OSError:
            equal = False
        if not equal:
            found.append(name)
    return found
