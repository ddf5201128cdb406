#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Lays the new release's files out beside the deployment."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_tree
short_description: Lays the new release's files out beside the deployment
version_added: 0.1.0
description:
  - From Git, it fetches a ref into the object store of the deployment's checkout and writes the
    commit's files to a folder. Working tree, index, branches, tags and remote-tracking refs stay.
  - From an archive, it unpacks a tar to a folder and refuses one that would write outside of it.
  - A folder that holds that commit or archive already is left alone, and no network is asked.
options:
  state:
    description: V(absent) removes the folder and the ref that keeps the commit.
    type: str
    choices: [present, absent]
    default: present
  strategy:
    description: Where the files come from.
    type: str
    choices: [git, archive]
    required: true
  project_dir:
    description: The folder of the deployment. With Git it is a checkout, or a folder in one.
    type: path
    required: true
  dest:
    description: The folder to write to. It is whole or absent; C(<dest>.json) says what it holds.
    type: path
    required: true
  ref:
    description: A tag, a branch, a full ref name or a commit, for O(strategy=git).
    type: str
    default: ""
  remote:
    description: The remote's name or URL, for O(strategy=git).
    type: str
    default: origin
  keep_ref:
    description: >-
      The ref below C(refs/cutover/) that keeps the commit in the repository, for O(strategy=git).
    type: str
    default: target
  user:
    description: Who Git runs as; empty for the owner of O(project_dir).
    type: str
    default: ""
  timeout:
    description: Seconds that one Git command may take.
    type: int
    default: 300
  archive:
    description: The tar on the host, for O(strategy=archive). gzip, bzip2, xz and zstd are known.
    type: path
  sha256:
    description: What the tar's SHA-256 must be; empty asks for none.
    type: str
    default: ""
  strip:
    description: How many leading parts of the tar's paths to leave out.
    type: int
    default: 0
attributes:
  check_mode:
    description: >-
      The ref is resolved with C(git ls-remote) and the tar's checksum is compared; nothing is
      fetched or written, and RV(checked) says what could not be done.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
requirements:
  - Git 2.29 or newer on the host, for O(strategy=git)
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Lay a tag's files out
  cutover.django_q.release_tree:
    strategy: git
    project_dir: /srv/air_risk
    ref: django-q
    dest: /var/lib/cutover/air_risk/runs/20260101T020000Z-1a2b/tree

- name: Lay an archive's files out
  cutover.django_q.release_tree:
    strategy: archive
    project_dir: /srv/air_risk
    archive: /var/lib/cutover/air_risk/runs/20260101T020000Z-1a2b/release.tar.gz
    sha256: 4bf5122f344554c53bde2ebb8cd2b7e3d1600ad631c385a5d7cce23c7785459a
    dest: /var/lib/cutover/air_risk/runs/20260101T020000Z-1a2b/tree
"""

RETURN = r"""
sha:
  description: The commit's id, or the archive's SHA-256; empty when check mode could not know it.
  type: str
  returned: success
root:
  description: The top folder of the deployment's files, which O(dest) corresponds to.
  type: str
  returned: success
prefix:
  description: The path from RV(root) to O(project_dir); empty when they are the same.
  type: str
  returned: success
files:
  description: The number of files.
  type: int
  returned: when the folder is there
checked:
  description: What check mode could not do, as sentences.
  type: list
  elements: str
  returned: success
"""

import json
import os
import shutil
import subprocess
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.release_commit import (
    export,
    in_the_way,
    resolve,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import (
    KEPT,
    Git,
    GitError,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_tree import (
    TreeError,
    unpack,
)

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"


def known(dest: str, sha: str) -> dict[str, Any] | None:
    """What `<dest>.json` says, when the folder is there and holds just `sha`; else None."""
    try:
        with open(dest + ".json", encoding="utf-8") as stream:
            record = json.load(stream)
    except (OSError, ValueError):
        return None
    return record if os.path.isdir(dest) and record.get("sha") == sha else None


def begin(dest: str) -> str:
    """Remove what an earlier try left; the folder that the files are written to first."""
    beside = dest + ".part"
    if os.path.lexists(dest + ".json"):
        os.unlink(dest + ".json")
    for folder in (dest, beside):
        if os.path.isdir(folder):
            shutil.rmtree(folder)
    return beside


def settle(dest: str, sha: str, files: int) -> None:
    """Put the written folder in its place and say what it holds."""
    os.rename(dest + ".part", dest)
    atomic_file.replace_json(dest + ".json", {"sha": sha, "files": files})


def from_git(params: dict[str, Any], dry: bool) -> dict[str, Any]:
    """Fetch and write a ref's files; the module's result."""
    if not params["ref"] or params["ref"].startswith("-") or "\0" in params["ref"]:
        raise GitError(
            f"release_target_ref: {params['ref']!r} is no ref; expected the tag, branch or commit "
            "of the new release."
        )
    if not os.path.isdir(params["project_dir"]):
        raise GitError(
            f"deployment_project_dir: the folder {params['project_dir']} is not on the host."
        )
    place = Git(params["project_dir"], params["remote"], params["user"], params["timeout"])
    root, prefix = place.top()
    git = Git(root, params["remote"], params["user"], params["timeout"])
    sha, checked = resolve(git, params["ref"], params["keep_ref"], dry)
    result: dict[str, Any] = {"sha": sha, "root": root, "prefix": prefix, "checked": checked}
    record = known(params["dest"], sha)
    result["changed"] = record is None
    if record is not None:
        result["files"] = record["files"]
        return result
    if dry:
        return result
    begin(params["dest"])
    files = export(git, sha, params["dest"])
    clash = in_the_way(git, root, sha, params["dest"] + ".part")
    if clash:
        begin(params["dest"])
        git.forget(KEPT + params["keep_ref"])
        raise GitError(
            f"release_target_ref: the release {params['ref']} tracks {', '.join(clash[:10])}; in "
            f"{root} the same stands untracked with other content, which a checkout would lose. "
            "Move it away, or take it out of the release."
        )
    settle(params["dest"], sha, files)
    return {**result, "files": files}


def from_archive(params: dict[str, Any], dry: bool) -> dict[str, Any]:
    """Unpack a tar; the module's result."""
    place: dict[str, Any] = {"root": params["project_dir"], "prefix": "", "checked": []}
    path = params["archive"]
    if not path:
        raise TreeError("release_archive: expected the path of the release's tar; it is empty.")
    if dry and not os.path.exists(path):
        unread = "The archive is not on the host yet: its content was not checked."
        return {**place, "sha": params["sha256"], "checked": [unread], "changed": True}
    try:
        sha = atomic_file.sha256(path)
    except OSError as error:
        raise TreeError(f"release_archive: {path} cannot be read: {error.strerror}.") from None
    if params["sha256"] and sha != params["sha256"].lower():
        raise TreeError(
            f"release_archive: the SHA-256 of {path} is {sha}, expected {params['sha256']} "
            "(release_archive_sha256). It was not unpacked."
        )
    record = known(params["dest"], sha)
    if record is not None or dry:
        files = {"files": record["files"]} if record else {}
        return {**place, **files, "sha": sha, "changed": record is None}
    folder = begin(params["dest"])
    try:
        with open(path, "rb") as stream:
            packed = stream.read(4) == ZSTD_MAGIC
            stream.seek(0)
            if packed:
                with subprocess.Popen(
                    ["zstd", "-dcq"], stdin=stream, stdout=subprocess.PIPE
                ) as pipe:
                    assert pipe.stdout is not None
                    files = unpack(pipe.stdout, folder, params["strip"])
                    while pipe.stdout.read(1 << 20):
                        pass
            else:
                files = unpack(stream, folder, params["strip"])
        if files == 0:
            raise TreeError(
                f"release_archive: {path} holds nothing once {params['strip']} leading parts of "
                "its paths are left out (release_archive_strip)."
            )
    except TreeError:
        begin(params["dest"])
        raise
    settle(params["dest"], sha, files)
    return {**place, "files": files, "sha": sha, "changed": True}


def removed(params: dict[str, Any], dry: bool) -> dict[str, Any]:
    """Remove the folder, whole or half written, and the ref; the module's result."""
    dest = params["dest"]
    there = [path for path in (dest, dest + ".part", dest + ".json") if os.path.lexists(path)]
    changed = bool(there)
    if not dry:
        begin(dest)
    if params["strategy"] == "git" and os.path.isdir(params["project_dir"]):
        git = Git(params["project_dir"], user=params["user"], timeout=params["timeout"])
        ref = KEPT + params["keep_ref"]
        if git.commit_of(ref):
            changed = True
            if not dry:
                git.forget(ref)
    return {
        "changed": changed,
        "sha": "",
        "root": params["project_dir"],
        "prefix": "",
        "checked": [],
    }


def main() -> None:
    """Lay the files out and say what they are."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "strategy": {"type": "str", "choices": ["git", "archive"], "required": True},
            "project_dir": {"type": "path", "required": True},
            "dest": {"type": "path", "required": True},
            "ref": {"type": "str", "default": ""},
            "remote": {"type": "str", "default": "origin"},
            "keep_ref": {"type": "str", "default": "target"},
            "user": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 300},
            "archive": {"type": "path"},
            "sha256": {"type": "str", "default": ""},
            "strip": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    source = from_git if module.params["strategy"] == "git" else from_archive
    if module.params["state"] == "absent":
        source = removed
    try:
        result = source(module.params, module.check_mode)
    except (GitError, TreeError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(
            msg=f"The release's files cannot be written to {module.params['dest']}: {error}."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
