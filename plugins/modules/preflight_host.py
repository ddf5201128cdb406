#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Gathers what the preflight wants to know of a host, in one go."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_host
short_description: Gathers what the preflight wants to know of a host
version_added: 0.1.0
description:
  - Looks at Docker and Compose, the project's folder and files, the containers and their memory,
    the Git checkout and the target ref, the file systems and the lock.
  - It changes nothing, fetches nothing and fails for nothing that it finds - judging is the
    business of the filter P(cutover.django_q.preflight_findings#filter).
  - The values of environment variables are never returned.
extends_documentation_fragment:
  - cutover.django_q.compose_project
options:
  state_dir:
    description: The folder in which the runs' folders and the lock are kept.
    type: path
    required: true
  strategy:
    description: How the release reaches the host. V(git) has the checkout and the ref looked at.
    type: str
    default: git
  target_ref:
    description: The tag, branch or commit to migrate to.
    type: str
    default: ""
  git_remote:
    description: The name or URL of the remote.
    type: str
    default: origin
  git_user:
    description: Whose Git it is; empty for the owner of O(project_dir).
    type: str
    default: ""
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
- name: Look at the host
  cutover.django_q.preflight_host:
    project_dir: /srv/air_risk
    project_name: air_risk
    state_dir: /var/lib/cutover
    target_ref: django-q
  register: host
"""

RETURN = r"""
docker:
  description: Engine and Compose - installed, running, error, version, compose_version, root_dir.
  type: dict
  returned: always
project:
  description: The project's folder - path, exists, writable.
  type: dict
  returned: always
compose:
  description: Files, services with their command and containers, error.
  type: dict
  returned: always
git:
  description: The checkout - sha, branch, describe, changes, error. Empty without the strategy git.
  type: dict
  returned: always
target:
  description: The target ref - sha, reachable, local, tree, error. Empty without the strategy git.
  type: dict
  returned: always
rooms:
  description: The file systems of the state folder and of Docker's data, with bytes free.
  type: dict
  returned: always
images:
  description: Bytes of each image that the project's containers use, by image id.
  type: dict
  returned: always
memory:
  description: Bytes of memory by the container's name.
  type: dict
  returned: always
lock:
  description: Who holds the deployment's lock; empty when nobody does.
  type: dict
  returned: always
current:
  description: The current run - run_id, state, and the SHA-256 of the Compose files it left.
  type: dict
  returned: always
"""

import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import preflight_host as readers
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    PROJECT_ARGUMENTS,
    project_of,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import Git, GitError


def look_at_git(params: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The checkout and the target ref."""
    try:
        git = Git(params["project_dir"], params["git_remote"], params["git_user"], timeout=60)
    except GitError as error:
        return {"checkout": False, "error": str(error)}, {}
    checkout = readers.read_git(git)
    target = readers.read_target(git, params["target_ref"]) if checkout["checkout"] else {}
    return checkout, target


def look(params: dict[str, Any]) -> dict[str, Any]:
    """Everything; see RETURN."""
    project = project_of(params)
    home = os.path.join(params["state_dir"], project.name)
    exists = os.path.isdir(project.directory)
    docker = readers.read_docker()
    compose: dict[str, Any] = {"files": [], "error": "", "services": {}}
    checkout: dict[str, Any] = {}
    target: dict[str, Any] = {}
    if exists:
        compose = readers.read_compose(project, docker)
        if params["strategy"] == "git":
            checkout, target = look_at_git(params)
    containers = [
        container for service in compose["services"].values() for container in service["containers"]
    ]
    running = [item["name"] for item in containers if item["state"] == "running"]
    rooms = {"state": readers.read_room(params["state_dir"])}
    if docker["root_dir"]:
        rooms["docker"] = readers.read_room(docker["root_dir"])
    return {
        "docker": docker,
        "project": {
            "path": project.directory,
            "exists": exists,
            "writable": os.access(project.directory, os.W_OK),
        },
        "compose": compose,
        "git": checkout,
        "target": target,
        "rooms": rooms,
        "images": readers.read_images([item["image_id"] for item in containers]),
        "memory": readers.read_memory(running),
        "lock": readers.read_json(os.path.join(home, "lock")),
        "current": readers.read_current(home),
    }


def main() -> None:
    """Look and return it."""
    module = AnsibleModule(
        argument_spec={
            **PROJECT_ARGUMENTS,
            "state_dir": {"type": "path", "required": True},
            "strategy": {"type": "str", "default": "git"},
            "target_ref": {"type": "str", "default": ""},
            "git_remote": {"type": "str", "default": "origin"},
            "git_user": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    module.exit_json(changed=False, **look(module.params))


if __name__ == "__main__":
    main()
