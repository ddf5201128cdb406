#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Tells how much memory the containers of a Compose project use."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_memory
short_description: Tells how much memory the containers of a Compose project use
version_added: 0.1.0
description:
  - Reads the containers' labels and C(docker stats), no Compose file. It works whatever became of
    the project's files.
options:
  project_name:
    description: Compose's project name.
    type: str
    required: true
attributes:
  check_mode:
    description: It only reads, in check mode too.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
requirements:
  - Docker Engine on the host
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Read the memory in use
  cutover.django_q.container_memory:
    project_name: air_risk
  register: memory
"""

RETURN = r"""
containers:
  description: The project's containers, stopped ones too, by name.
  type: list
  elements: dict
  returned: always
  sample:
    - id: 5f2c0d
      name: air_risk-web-1
      service: web
      state: running
      health: healthy
      restart_count: 0
      memory: 73400320
total:
  description: Bytes in use by all of them.
  type: int
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils.container_memory import memory_by_id
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    ComposeProject,
    DockerError,
    describe_container,
    run,
)


def main() -> None:
    """Read the containers and their memory."""
    module = AnsibleModule(
        argument_spec={"project_name": {"type": "str", "required": True}},
        supports_check_mode=True,
    )
    project = ComposeProject(directory="/", name=module.params["project_name"])
    memory = {}
    try:
        containers = [describe_container(item) for item in project.containers()]
        running = [item["id"] for item in containers if item["state"] == "running"]
        if running:
            command = ["docker", "stats", "--no-stream", "--no-trunc", "--format", "{{json .}}"]
            memory = memory_by_id(run([*command, *running], timeout=60))
    except DockerError as error:
        module.fail_json(msg=str(error))
    for item in containers:
        item["memory"] = memory.get(item["id"])
    module.exit_json(
        changed=False,
        containers=sorted(containers, key=lambda item: item["name"]),
        total=sum(item["memory"] or 0 for item in containers),
    )


if __name__ == "__main__":
    main()
