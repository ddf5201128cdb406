#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Takes the text of a release from the host, for a linter on the control node."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_text
short_description: Takes the text of a release from the host, for a linter on the control node
version_added: 0.1.0
description:
  - Returns the files that a linter reads, of a commit of the deployment's checkout or of an image,
    packed into one value.
  - A commit is read from Git's object store, an image through a container that is made, never
    started, and removed again. Neither files of the checkout nor running containers are looked at.
  - Only regular files are taken. Symbolic links that lead out of the release are named.
options:
  source:
    description: Where the text is.
    type: str
    choices: [git, image]
    required: true
  reads:
    description: Which files the linter reads, as C(celery2q describe) says it under C(reads).
    type: dict
    required: true
  max_bytes:
    description: Bytes that all files may have together, 512 added for each.
    type: int
    required: true
  dir:
    description: >-
      The folder that is meant. With O(source=git) relative to the top of the commit, empty for all
      of it; with O(source=image) a path in the image, empty for its working directory.
    type: str
    default: ""
  project_dir:
    description: The folder of the deployment, a checkout, for O(source=git).
    type: path
  commit:
    description: The commit's id, for O(source=git).
    type: str
    default: ""
  user:
    description: Who Git runs as; empty for the owner of O(project_dir).
    type: str
    default: ""
  image:
    description: The image's id or name, for O(source=image).
    type: str
    default: ""
  timeout:
    description: Seconds that the reading may take.
    type: int
    default: 300
attributes:
  check_mode:
    description: It only reads, in check mode too.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Take the text of a commit
  cutover.django_q.release_text:
    source: git
    project_dir: /srv/air_risk
    commit: 5f0c2a8f4f2e6f0e5b1d5d6f2f8f2a0f6c1b7e3d
    reads: "{{ description.reads }}"
    max_bytes: 67108864
  register: text
"""

RETURN = r"""
there:
  description: Whether the commit or the image is on the host; RV(texts) is empty when it is not.
  type: bool
  returned: success
texts:
  description: The files, a tar that is compressed by zlib, in Base64.
  type: str
  returned: success
files:
  description: Their number.
  type: int
  returned: success
bytes:
  description: Their size together.
  type: int
  returned: success
skipped:
  description: What a linter would want to read and does not get, each with C(path) and C(reason).
  type: list
  elements: dict
  returned: success
"""

import json
import posixpath
import subprocess
import threading
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    DockerError,
    last_lines,
    run,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import Git, GitError
from ansible_collections.cutover.django_q.plugins.module_utils.release_text import (
    Reads,
    TextError,
    Texts,
    of_commit,
    of_tar,
)

# By this label a container that a killed run left behind can be told.
LABEL = "cutover.release_text"


def from_git(params: dict[str, Any], reads: Reads) -> Texts | None:
    """The text of a commit; None when it is not in the repository."""
    place = Git(params["project_dir"], user=params["user"], timeout=params["timeout"])
    git = Git(place.top()[0], user=params["user"], timeout=params["timeout"])
    sha = git.commit_of(params["commit"]) if params["commit"] else None
    if sha is None:
        return None
    return of_commit(git, sha, params["dir"].strip("/"), reads, params["max_bytes"])


def from_image(params: dict[str, Any], reads: Reads) -> Texts | None:
    """The text of an image; None when it is not on the host."""
    image = params["image"]
    if not image:
        return None
    try:
        shown = run(["docker", "image", "inspect", "--format", "{{json .Config}}", image])
    except DockerError as error:
        if "no such image" in str(error).lower():
            return None
        raise
    folder = posixpath.normpath(params["dir"] or (json.loads(shown) or {}).get("WorkingDir") or "/")
    if not folder.startswith("/") or folder.strip("/") == "":
        raise TextError(
            f"preflight_lint_dir: the image {image} has its code in "
            f"{folder if params['dir'] else 'no working directory'}; expected the folder of the "
            "application in the image, an absolute path that is not /."
        )
    # The command is never run; an image without one of its own would be refused otherwise.
    command = ["docker", "create", "--label", LABEL, "--network", "none", image, "true"]
    container = run(command, timeout=params["timeout"]).strip()
    try:
        return copied(container, folder, reads, params)
    finally:
        run(["docker", "rm", "--force", "--volumes", container], timeout=params["timeout"])


def copied(container: str, folder: str, reads: Reads, params: dict[str, Any]) -> Texts:
    """The text of a folder of a container, from the tar that `docker cp` writes."""
    texts = Texts(params["max_bytes"], f"{folder} in the image {params['image']}")
    with subprocess.Popen(
        ["docker", "cp", f"{container}:{folder}/.", "-"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        late = threading.Timer(params["timeout"], process.kill)
        late.start()
        try:
            if process.stdout.peek(1):  # type: ignore[attr-defined]  # nothing: it failed
                of_tar(process.stdout, 0, "", reads, texts, folder)
            while process.stdout.read(1 << 20):
                pass  # the padding after the tar's end
        except TextError:
            process.kill()
            raise
        finally:
            late.cancel()
        said = last_lines(process.stderr.read().decode("utf-8", "replace"))
        if process.wait() != 0:
            raise DockerError(
                f"`docker cp` of {folder} from the image {params['image']} ended with status "
                f"{process.returncode}: {said}"
            )
    return texts


def main() -> None:
    """Take the text and say what it is."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "str", "choices": ["git", "image"], "required": True},
            "reads": {"type": "dict", "required": True},
            "max_bytes": {"type": "int", "required": True},
            "dir": {"type": "str", "default": ""},
            "project_dir": {"type": "path"},
            "commit": {"type": "str", "default": ""},
            "user": {"type": "str", "default": ""},
            "image": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 300},
        },
        required_if=[("source", "git", ["project_dir"])],
        supports_check_mode=True,
    )
    source = from_git if module.params["source"] == "git" else from_image
    try:
        texts = source(module.params, Reads.of(module.params["reads"]))
    except (DockerError, GitError, TextError) as error:
        module.fail_json(msg=str(error))
    if texts is None:
        module.exit_json(changed=False, there=False, texts="", files=0, bytes=0, skipped=[])
    module.exit_json(
        changed=False,
        there=True,
        texts=texts.packed(),
        files=len(texts.files),
        bytes=sum(len(content) for content in texts.files.values()),
        skipped=texts.skipped,
    )


if __name__ == "__main__":
    main()
