#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Tells what a Compose project consists of and what of it runs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: compose_info
short_description: Tells what a Compose project consists of and what of it runs
version_added: 0.1.0
description:
  - Reads the project with C(docker compose config) and its containers with C(docker inspect).
  - The values of environment variables are never returned.
extends_documentation_fragment:
  - cutover.django_q.compose_project
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
- name: Read the project
  cutover.django_q.compose_info:
    project_dir: /srv/air_risk
    project_name: air_risk
  register: project
"""

RETURN = r"""
project_name:
  description: Compose's project name.
  type: str
  returned: always
config_sha:
  description: SHA-256 of Compose's reading of the files; it changes when a value changes.
  type: str
  returned: always
read_at:
  description: When the containers were read, by the host's clock, RFC 3339 in UTC.
  type: str
  returned: always
  sample: 2026-01-01T02:00:00.000Z
services:
  description: Each service by name, those of profiles too.
  type: dict
  returned: always
  sample:
    web:
      image: air_risk:local
      build: true
      containers: []
containers:
  description: All containers of the project, those of services that are in none of the files too.
  type: list
  elements: dict
  returned: always
orphans:
  description: Containers of the project whose service is in none of the files.
  type: list
  elements: dict
  returned: always
"""

import hashlib
import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    PROJECT_ARGUMENTS,
    DockerError,
    describe_container,
    project_of,
)
from ansible_collections.cutover.django_q.plugins.module_utils.moment import now


def describe_service(name: str, service: dict[str, Any], project_name: str) -> dict[str, Any]:
    """A service of Compose's reading, without the values of its environment.

    Args:
        name: the service's name.
        service: its part of `docker compose config --format json`.
        project_name: for the image name that Compose derives when none is given.
    """
    build = service.get("build") or {}
    return {
        "image": service.get("image") or f"{project_name}-{name}",
        "build": bool(build),
        "context": build.get("context"),
        "dockerfile": build.get("dockerfile"),
        "command": service.get("command"),
        "entrypoint": service.get("entrypoint"),
        "binds": [
            {"source": volume["source"], "target": volume["target"]}
            for volume in service.get("volumes") or []
            if volume.get("type") == "bind"
        ],
        "env_files": [
            item["path"] if isinstance(item, dict) else item
            for item in service.get("env_file") or []
        ],
        "environment_names": sorted(service.get("environment") or {}),
        "depends_on": sorted(service.get("depends_on") or {}),
        "restart": service.get("restart") or "no",
        "stop_grace_period": service.get("stop_grace_period"),
        "profiles": service.get("profiles") or [],
        "scale": (service.get("deploy") or {}).get("replicas", service.get("scale", 1)),
        "containers": [],
    }


def describe(
    config: dict[str, Any], containers: list[dict[str, Any]], project_name: str
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Services by name with their containers, and the containers that belong to none."""
    services = {
        name: describe_service(name, service, project_name)
        for name, service in (config.get("services") or {}).items()
    }
    orphans = []
    for container in sorted(containers, key=lambda item: item["name"]):
        if container["service"] in services:
            services[container["service"]]["containers"].append(container)
        else:
            orphans.append(container)
    return services, orphans


def main() -> None:
    """Read the project and return it."""
    module = AnsibleModule(argument_spec=PROJECT_ARGUMENTS, supports_check_mode=True)
    project = project_of(module.params)
    try:
        config = project.config()
        read_at = now()
        containers = [describe_container(item) for item in project.containers()]
    except DockerError as error:
        module.fail_json(msg=str(error))
    services, orphans = describe(config, containers, project.name)
    module.exit_json(
        changed=False,
        project_name=project.name,
        read_at=read_at,
        config_sha=hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest(),
        services=services,
        containers=containers,
        orphans=orphans,
    )


if __name__ == "__main__":
    main()
