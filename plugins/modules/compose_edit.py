#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Makes edited copies of a project's Compose files and proves them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_edit
short_description: Makes edited copies of a project's Compose files and proves them
version_added: 0.1.0
description:
  - Takes services and all references to them out of the Compose files, and adds or adjusts the
    services that run C(qcluster). Every byte outside the changed blocks stays as it is.
  - The copies are accepted only when Compose's own reading of them differs from that of the
    originals in just what was meant. The project's files themselves are not touched.
  - Where the edit is not safe it fails with the file and the line of each reason.
  - The text is edited on the control node, with the YAML parser that Ansible itself needs; the
    host needs none.
extends_documentation_fragment:
  - cutover.django_q.compose_project
options:
  drop:
    description: The services to take out. The first one is the model for new ones.
    type: list
    elements: str
    required: true
  model:
    description: The service that is the model for new ones, if it is not the first of O(drop).
    type: str
    default: ""
  qclusters:
    description: The services that run C(qcluster) afterwards.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The service's name.
        type: str
        required: true
      cluster:
        description: The cluster that it serves, a key of C(ALT_CLUSTERS); empty for the default.
        type: str
        default: ""
  command:
    description: The command of a new service, in exec form.
    type: list
    elements: str
    default: [python, manage.py, qcluster]
  stop_grace_period:
    description: >-
      The least time that a cluster gets to finish its tasks when it is stopped, as Compose
      writes durations.
    type: str
    default: 10m
  tree:
    description: >-
      The unpacked tree of the target release. Where it has a Compose file of the same name,
      that one is edited in place of the project's.
    type: path
    default: ""
  dest:
    description: The folder for the originals, the edited copies and the patch. It is made.
    type: path
    required: true
  recorded:
    description: >-
      What this module returned as RV(files) before, in the same run. Files that stand installed
      already are then left at that.
    type: list
    elements: dict
    default: []
  plan:
    description: What the host is to do. The action plugin sets it.
    type: str
    default: ""
attributes:
  check_mode:
    description: The copies are made and proved in a temporary folder, which is removed.
    support: full
  diff_mode:
    description: >-
      The edit of the Compose files. Values of environment variables are hidden, references
      to variables are shown.
    support: full
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Make the copies
  cutover.django_q.compose_edit:
    project_dir: /srv/air_risk
    project_name: air_risk
    drop: [celery_worker, celery_beat]
    qclusters:
      - name: qcluster
    dest: /var/lib/cutover/air_risk/compose
  register: edited
"""

RETURN = r"""
edited:
  description: Whether the copies differ from the project's files.
  type: bool
  returned: success
files:
  description: Each Compose file, with its copies. C(sha256_base) is the target release's own.
  type: list
  elements: dict
  returned: success
  sample:
    - path: docker-compose.yml
      original: /var/lib/cutover/air_risk/compose/original/docker-compose.yml
      candidate: /var/lib/cutover/air_risk/compose/candidate/docker-compose.yml
      sha256_before: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      sha256_base: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      sha256_after: 60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752
      mode: "0644"
      uid: 0
      gid: 0
      changed: true
patch:
  description: The patch to commit; empty when there is nothing to change.
  type: str
  returned: success
dropped:
  description: The services that were taken out.
  type: list
  elements: str
  returned: success
qclusters:
  description: The services that run C(qcluster) afterwards.
  type: list
  elements: str
  returned: success
findings:
  description: >-
    What a person should know, each with level (error, warning, note), file, line, found,
    expected, fix and sentence.
  type: list
  elements: dict
  returned: always
"""

import json
import os
import shutil
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import compose_files as files
from ansible_collections.cutover.django_q.plugins.module_utils.compose_model import (
    Cluster,
    unexpected_differences,
)
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    PROJECT_ARGUMENTS,
    DockerError,
    project_of,
)


def read(params: dict[str, Any], more: list[str]) -> dict[str, Any]:
    """What the control node needs for the edit.

    Args:
        params: the module's parameters.
        more: further files to read where they are there, as `include` and `extends` name them.
    """
    project_dir, tree = params["project_dir"], params["tree"]
    if not os.path.isdir(project_dir):
        raise files.FilesError(
            f"{project_dir} is not there. Expected: the folder of the Compose project. "
            "Correct deployment_project_dir."
        )
    originals = [files.read_original(project_dir, tree, path) for path in params["files"]]
    recorded = {item["path"]: item for item in params["recorded"]}
    installed = bool(recorded) and any(
        item.sha256_before == recorded.get(item.path, {}).get("sha256_after")
        and recorded[item.path].get("changed")
        for item in originals
    )
    reached = {}
    for path in more:
        try:
            reached[path] = files.encoded(files.read_original(project_dir, tree, path).base)
        except files.FilesError:
            continue
    return {
        "installed": installed,
        "start_interval": files.start_interval_known(),
        "originals": [
            {
                "path": item.path,
                "base": files.encoded(item.base),
                "project": None if item.data is None else files.encoded(item.data),
                "sha256_before": item.sha256_before,
                "sha256_base": item.sha256_base,
            }
            for item in originals
        ],
        "reached": reached,
    }


def prove(params: dict[str, Any], plan: dict[str, Any], originals: list[files.Original]) -> None:
    """Let Compose read the edited copies beside the originals, in a folder that is removed.

    Raises:
        FilesError: Compose does not accept them, or they mean something else than intended.
        OSError: the folder cannot be made.
    """
    scratch = tempfile.mkdtemp(prefix="cutover-compose-")
    try:
        before, after = [], []
        for original, wanted in zip(originals, plan["files"]):
            for side, data, paths in (
                ("before", original.base, before),
                ("after", files.decoded(wanted["text"]), after),
            ):
                paths.append(files.keep(os.path.join(scratch, side), original.path, data)[0])
        reader = files.Reader(project_of(params), params["tree"], scratch)
        one, two = reader.models(before, after)
    except DockerError as error:
        text = str(error)
        for side, name in (("before", ""), ("after", "edited ")):
            text = text.replace(os.path.join(scratch, side) + os.sep, name)
        raise files.FilesError(f"Compose cannot read the project's files: {text}") from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    wrong = unexpected_differences(
        one, two, plan["dropped"], [Cluster(**item) for item in plan["clusters"]]
    )
    if wrong:
        raise files.FilesError(
            "The edited Compose files mean something else than intended: "
            + "; ".join(wrong)
            + ". Nothing was changed. Make this edit by hand and commit it."
        )


def describe(original: files.Original, sha256_after: str) -> dict[str, Any]:
    """What is recorded of a file, before any copy of it is kept."""
    return {
        "path": original.path,
        "original": "",
        "candidate": "",
        "sha256_before": original.sha256_before,
        "sha256_base": original.sha256_base,
        "sha256_after": sha256_after,
        "mode": f"{original.mode:04o}",
        "uid": original.uid,
        "gid": original.gid,
        "changed": sha256_after != original.sha256_before,
    }


def write(params: dict[str, Any], plan: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Prove the edited copies, then keep them with the originals and the patch.

    In check mode, and where nothing changes, nothing is kept.

    Raises:
        FilesError: a file has changed since it was read, or the proof failed.
        OSError: the folder cannot be written.
    """
    originals = [
        files.read_original(params["project_dir"], params["tree"], path) for path in params["files"]
    ]
    described = []
    for original, wanted in zip(originals, plan["files"]):
        read = (wanted["sha256_before"], wanted["sha256_base"])
        if (original.sha256_before, original.sha256_base) != read:
            raise files.FilesError(f"{original.path} was changed while it was read. Run it again.")
        described.append(describe(original, wanted["sha256_after"]))
    result = {"changed": False, "files": described, "patch": ""}
    if all(
        item["sha256_before"] == item["sha256_base"] == item["sha256_after"] for item in described
    ):
        return result
    prove(params, plan, originals)
    if check_mode:
        return {**result, "changed": any(item["changed"] for item in described)}
    dest, wrote = params["dest"], False
    os.makedirs(dest, mode=0o700, exist_ok=True)
    for item, original, wanted in zip(described, originals, plan["files"]):
        path = original.path
        if original.data is not None:
            folder = os.path.join(dest, "original")
            item["original"], made = files.keep(folder, path, original.data, overwrite=False)
            wrote |= made
        data = files.decoded(wanted["text"])
        item["candidate"], made = files.keep(os.path.join(dest, "candidate"), path, data)
        wrote |= made
    if plan["patch"]:
        result["patch"], made = files.keep(dest, "compose.patch", files.decoded(plan["patch"]))
        wrote |= made
    return {**result, "changed": wrote}


def main() -> None:
    """Do what the action plugin planned."""
    module = AnsibleModule(
        argument_spec={
            **PROJECT_ARGUMENTS,
            "drop": {"type": "list", "elements": "str", "required": True},
            "model": {"type": "str", "default": ""},
            "qclusters": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "cluster": {"type": "str", "default": ""},
                },
            },
            "command": {
                "type": "list",
                "elements": "str",
                "default": ["python", "manage.py", "qcluster"],
            },
            "stop_grace_period": {"type": "str", "default": "10m"},
            "tree": {"type": "path", "default": ""},
            "dest": {"type": "path", "required": True},
            "recorded": {"type": "list", "elements": "dict", "default": []},
            "plan": {"type": "str", "default": "", "no_log": True},
        },
        supports_check_mode=True,
    )
    params = module.params
    plan = json.loads(files.decoded(params["plan"])) if params["plan"] else {"step": "read"}
    try:
        if plan["step"] == "read":
            module.exit_json(changed=False, **read(params, plan.get("more", [])))
        result = write(params, plan, module.check_mode)
    except files.FilesError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The copies of the Compose files cannot be made: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
