#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Puts kept Compose files in the place of a project's, and back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_install
short_description: Puts kept Compose files in the place of a project's
version_added: 0.1.0
description:
  - Replaces Compose files of a project by copies that C(compose_edit) made or kept. Each is
    written beside and renamed, so that it is the old one or the new one at every moment.
  - All files are looked at before the first is replaced. When Compose does not accept the
    result, what was replaced is put back.
  - Owner and mode are those of the file that is replaced.
extends_documentation_fragment:
  - cutover.django_q.compose_project
options:
  install:
    description: The files to put in place.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: The file, relative to O(project_dir).
        type: str
        required: true
      source:
        description: The copy that takes its place. Empty removes the file.
        type: path
        default: ""
      sha256:
        description: The copy's SHA-256. A copy that has another one is refused.
        type: str
        default: ""
      expected:
        description: SHA-256 sums, one of which the file must have; an empty one stands for none.
        type: list
        elements: str
        required: true
      mode:
        description: The mode where there is no file to take it from.
        type: str
        default: "0644"
      uid:
        description: The owner where there is no file to take it from.
        type: int
      gid:
        description: The group where there is no file to take it from.
        type: int
  on_other:
    description: >-
      What to do when a file has none of the sums: V(refuse) leaves all as they are, V(keep) keeps
      it in O(keep_dir) and replaces it all the same.
    type: str
    choices: [refuse, keep]
    default: refuse
  keep_dir:
    description: Where V(keep) keeps files.
    type: path
    default: ""
  validate:
    description: Ask Compose whether it accepts the copies, and the project afterwards.
    type: bool
    default: true
attributes:
  check_mode:
    description: Nothing is written. Copies that are there are validated.
    support: full
  diff_mode:
    description: Values of environment variables are hidden.
    support: full
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Install the edited file
  cutover.django_q.compose_install:
    project_dir: /srv/air_risk
    project_name: air_risk
    install:
      - path: docker-compose.yml
        source: /var/lib/cutover/air_risk/compose/candidate/docker-compose.yml
        sha256: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
        expected:
          - 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
"""

RETURN = r"""
installed:
  description: The files that were replaced.
  type: list
  elements: str
  returned: success
kept:
  description: Copies of files that had none of the expected sums.
  type: list
  elements: str
  returned: success
"""

import hashlib
import os
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils import compose_files as files
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    PROJECT_ARGUMENTS,
    ComposeProject,
    DockerError,
    project_of,
)


@dataclass
class Step:
    """One file with what stands there and what is to stand there; None means no file."""

    path: str
    target: str
    old: bytes | None
    new: bytes | None
    mode: int
    uid: int
    gid: int

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.old != self.new

    def put(self, data: bytes | None) -> None:
        """Put this content in the file's place.

        Raises:
            OSError: the folder cannot be written.
        """
        if data is not None:
            files.replace_keeping_owner(self.target, data, self.mode, self.uid, self.gid)
        elif os.path.lexists(self.target):
            os.unlink(self.target)
            atomic_file.fsync_directory(os.path.dirname(self.target))


def digest(data: bytes | None) -> str:
    """SHA-256 of a content; empty for none."""
    return "" if data is None else hashlib.sha256(data).hexdigest()


def step_of(project_dir: str, wanted: dict[str, Any]) -> Step:
    """What is to be done for one file.

    Raises:
        FilesError: the copy is not there or not whole.
    """
    target = os.path.join(project_dir, wanted["path"])
    new: bytes | None = None
    if wanted["source"]:
        try:
            with open(wanted["source"], "rb") as stream:
                new = stream.read()
        except OSError as error:
            raise files.FilesError(
                f"The copy {wanted['source']} of {wanted['path']} cannot be read: "
                f"{error.strerror}. Nothing was changed."
            ) from None
        if digest(new) != wanted["sha256"]:
            raise files.FilesError(
                f"The copy {wanted['source']} has the SHA-256 {digest(new)}; expected "
                f"{wanted['sha256']}, as it was recorded. It was changed or is not whole. "
                "Nothing was changed."
            )
    old: bytes | None = None
    mode = int(wanted["mode"], 8)
    uid = os.getuid() if wanted["uid"] is None else wanted["uid"]
    gid = os.getgid() if wanted["gid"] is None else wanted["gid"]
    if os.path.exists(target):
        status = os.stat(target)
        mode, uid, gid = status.st_mode & 0o7777, status.st_uid, status.st_gid
        with open(target, "rb") as stream:
            old = stream.read()
    return Step(wanted["path"], target, old, new, mode, uid, gid)


def strangers(steps: list[Step], install: list[dict[str, Any]]) -> list[Step]:
    """The files that are neither as they are to be nor as they were expected."""
    return [
        step
        for step, wanted in zip(steps, install)
        if step.needed and digest(step.old) not in wanted["expected"]
    ]


def validate(project: ComposeProject, install: list[dict[str, Any]]) -> None:
    """Ask Compose whether it accepts the copies, in the place of the files.

    Raises:
        DockerError: it does not.
    """
    sources = {wanted["path"]: wanted["source"] for wanted in install}
    paths = [sources.get(path, path) for path in project.files]
    ComposeProject(
        project.directory, project.name, [path for path in paths if path], project.env_files
    ).config()


def put_all(steps: list[Step], project: ComposeProject, check: bool) -> None:
    """Replace the files; puts back what was replaced when it does not work out.

    Raises:
        OSError: a file cannot be written.
        DockerError: Compose does not accept the project afterwards.
    """
    done: list[Step] = []
    try:
        for step in steps:
            done.append(step)
            step.put(step.new)
        if check:
            project.config()
    except (OSError, DockerError):
        for step in done:
            step.put(step.old)
        raise


def main() -> None:
    """Look at all files, then replace them."""
    one = {
        "path": {"type": "str", "required": True},
        "source": {"type": "path", "default": ""},
        "sha256": {"type": "str", "default": ""},
        "expected": {"type": "list", "elements": "str", "required": True},
        "mode": {"type": "str", "default": "0644"},
        "uid": {"type": "int"},
        "gid": {"type": "int"},
    }
    module = AnsibleModule(
        argument_spec={
            **PROJECT_ARGUMENTS,
            "install": {"type": "list", "elements": "dict", "required": True, "options": one},
            "on_other": {"type": "str", "choices": ["refuse", "keep"], "default": "refuse"},
            "keep_dir": {"type": "path", "default": ""},
            "validate": {"type": "bool", "default": True},
        },
        required_if=[("on_other", "keep", ("keep_dir",))],
        supports_check_mode=True,
    )
    params = module.params
    project = project_of(params)
    install = params["install"]
    kept: list[str] = []
    try:
        steps = [step_of(params["project_dir"], wanted) for wanted in install]
        needed = [step for step in steps if step.needed]
        others = strangers(steps, install)
        if others and params["on_other"] == "refuse":
            raise files.FilesError(
                f"{', '.join(step.path for step in others)} was changed since the copy was made: "
                "its SHA-256 is none of those recorded. Nothing was replaced. Commit or take back "
                "that change and run it again."
            )
        if needed and params["validate"]:
            validate(project, install)
        if needed and not module.check_mode:
            for step in others:
                if step.old is not None:
                    name = f"{step.path}.{digest(step.old)[:12]}"
                    kept.append(files.keep(params["keep_dir"], name, step.old)[0])
            put_all(needed, project, params["validate"])
    except files.FilesError as error:
        module.fail_json(msg=str(error))
    except DockerError as error:
        module.fail_json(msg=f"Compose does not accept the files; the old ones stand: {error}")
    except OSError as error:
        module.fail_json(msg=f"The Compose files cannot be replaced; the old ones stand: {error}.")
    result: dict[str, Any] = {
        "changed": bool(needed),
        "installed": [step.path for step in needed],
        "kept": kept,
    }
    if module._diff:
        # The action plugin hides the values of variables and makes the diff of it.
        result["contents"] = [
            {
                "path": step.path,
                "before": files.encoded(step.old or b""),
                "after": files.encoded(step.new or b""),
            }
            for step in needed
        ]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
