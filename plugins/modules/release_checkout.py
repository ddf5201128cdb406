#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Brings the deployment's folder to the new release's files, and back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_checkout
short_description: Brings the deployment's folder to the new release's files, and back
version_added: 0.1.0
description:
  - With Git, it checks a commit out, detached, or goes back to a branch or commit. No remote is
    asked and no hook is run.
  - From an archive, it lays the unpacked files over the folder and keeps what it replaces, so that
    it can be undone. Files that are not in the archive stay.
  - The Compose files keep their bytes either way, modified or not, since
    P(cutover.django_q.compose_services#role) keeps and writes them.
options:
  strategy:
    description: Where the release came from.
    type: str
    choices: [git, archive]
    required: true
  state:
    description: V(after) for the new release, V(before) for what stood there.
    type: str
    choices: [after, before]
    default: after
  project_dir:
    description: The folder of the deployment.
    type: path
    required: true
  files:
    description: The Compose files, relative to O(project_dir).
    type: list
    elements: str
    default: []
  keep_dir:
    description: The folder, in the run's, for what has to be kept.
    type: path
    required: true
  sha:
    description: The commit to check out, for O(strategy=git).
    type: str
  branch:
    description: The branch to be on, if it still leads to O(sha), for O(strategy=git).
    type: str
  tree:
    description: The unpacked release, for O(strategy=archive).
    type: path
  keep:
    description: Files that stay though the archive has them, for O(strategy=archive).
    type: list
    elements: str
    default: []
  remove:
    description: Files that the new release no longer has, for O(strategy=archive).
    type: list
    elements: str
    default: []
  user:
    description: Who Git runs as; empty for the owner of O(project_dir).
    type: str
    default: ""
attributes:
  check_mode:
    description: Nothing is written.
    support: full
  diff_mode:
    description: The commit and branch, or the names of files, before and after.
    support: full
requirements:
  - Git on the host, for O(strategy=git)
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Check the new release out
  cutover.django_q.release_checkout:
    strategy: git
    project_dir: /srv/air_risk
    files: [docker-compose.yml]
    keep_dir: /var/lib/cutover/air_risk/runs/20260101T020000Z-1a2b/checkout
    sha: 3f786850e387550fdab836ed7e6dc881de23001b

- name: Go back
  cutover.django_q.release_checkout:
    strategy: git
    state: before
    project_dir: /srv/air_risk
    files: [docker-compose.yml]
    keep_dir: /var/lib/cutover/air_risk/runs/20260101T020000Z-1a2b/checkout
    sha: 89e6c98d92887913cadf06b2adb97f26cde4849b
    branch: main
"""

RETURN = r"""
before:
  description: Commit and branch before, for O(strategy=git).
  type: dict
  returned: for Git
"""

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import Git, GitError
from ansible_collections.cutover.django_q.plugins.module_utils.release_hold import (
    Hold,
    switch_commit,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_tree import (
    TreeError,
    keep_originals,
    lay,
    lift,
    plan_overlay,
)


def described(sha: str, branch: str | None) -> str:
    """A checkout's state as a line for a diff."""
    return f"{sha} ({branch or 'detached'})\n"


def checkout(params: dict[str, Any], dry: bool) -> dict[str, Any]:
    """Check a commit out with Git; the module's result."""
    root, prefix = Git(params["project_dir"], user=params["user"]).top()
    git = Git(root, user=params["user"])
    sha, branch = params["sha"], params["branch"]
    if git.commit_of(sha) is None:
        raise GitError(
            f"The commit {sha} is not in the repository {root}. Run the role release, tasks_from "
            "fetch, which brings it."
        )
    reachable = branch if branch and git.commit_of("refs/heads/" + branch) == sha else None
    head, on = git.head()
    result: dict[str, Any] = {
        "before": {"sha": head, "branch": on},
        "changed": (head, on) != (sha, reachable),
        "diff": {"before": described(head, on), "after": described(sha, reachable)},
    }
    if not dry:
        names = [os.path.normpath(os.path.join(prefix, name)) for name in params["files"]]
        hold = Hold(git, params["keep_dir"], [name for name in names if name[:2] != ".."])
        result["changed"] = switch_commit(git, hold, sha, branch, params["state"] == "after")
    return result


def overlay(params: dict[str, Any], dry: bool) -> dict[str, Any]:
    """Lay an unpacked archive over the folder, or lift it off; the module's result."""
    folder, project = params["keep_dir"], params["project_dir"]
    record, tar = os.path.join(folder, "overlay.json"), os.path.join(folder, "replaced.tar")
    plan = None
    if os.path.exists(record):
        with open(record, encoding="utf-8") as stream:
            plan = json.load(stream)
    if params["state"] == "before":
        if plan is None:
            return {"changed": False}
        if dry:
            return {"changed": True}
        return {"changed": lift(project, plan, tar, os.path.join(folder, "scratch"))}
    if plan is None and not os.path.isdir(params["tree"] or ""):
        return {"changed": True}  # check mode before the fetch: which files is not known
    if plan is None:
        keep = [*params["keep"], *params["files"]]
        plan = plan_overlay(params["tree"], project, keep, params["remove"])
        if not dry:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            keep_originals(project, plan, tar)
            atomic_file.replace_json(record, plan)
    before = "".join(f"{name}\n" for name in sorted(plan["replaced"] + plan["removed"]))
    after = "".join(f"{name}\n" for name in sorted(plan["replaced"] + plan["created"]))
    changed = bool(before or after) if dry else lay(params["tree"], project, plan)
    return {"changed": changed, "diff": {"before": before, "after": after}}


def main() -> None:
    """Bring the folder to the wanted state."""
    module = AnsibleModule(
        argument_spec={
            "strategy": {"type": "str", "choices": ["git", "archive"], "required": True},
            "state": {"type": "str", "choices": ["after", "before"], "default": "after"},
            "project_dir": {"type": "path", "required": True},
            "files": {"type": "list", "elements": "str", "default": []},
            "keep_dir": {"type": "path", "required": True},
            "sha": {"type": "str"},
            "branch": {"type": "str"},
            "tree": {"type": "path"},
            "keep": {"type": "list", "elements": "str", "default": []},
            "remove": {"type": "list", "elements": "str", "default": []},
            "user": {"type": "str", "default": ""},
        },
        required_if=[("strategy", "git", ["sha"])],
        supports_check_mode=True,
    )
    wanted = (module.params["strategy"], module.params["state"]) == ("archive", "after")
    if wanted and not module.check_mode and not os.path.isdir(module.params["tree"] or ""):
        module.fail_json(msg="The unpacked release is not there: run tasks_from fetch first.")
    way = checkout if module.params["strategy"] == "git" else overlay
    try:
        result = way(module.params, module.check_mode)
    except (GitError, TreeError) as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The files of the release cannot be written: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
