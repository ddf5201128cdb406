#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Starts containers again that ran before and are down."""

from __future__ import annotations

DOCUMENTATION = r"""
module: container_revive
short_description: Starts containers again that ran before and are down
version_added: 0.1.0
description:
  - After a restart of the host or of its Docker daemon, or after a kill, containers may be down in
    spite of their restart policy. This starts those that are needed, just as they are. Nothing is
    recreated, built or pulled.
  - It first waits until the Docker daemon answers, since a restart of it takes some seconds.
  - A container that a drain was to end has no restart policy. It gets the one that it had, or
    V(unless-stopped) where that one would leave it down after it has ended.
  - A container that was created and never started is left to Compose.
extends_documentation_fragment:
  - cutover.django_q.compose_project
options:
  scales:
    description:
      - How many containers of a service are to run, by service. Of a service that has more, none
        is stopped.
    type: dict
    required: true
  policies:
    description: The restart policy that the containers of a service had, by service.
    type: dict
    default: {}
  wait_for:
    description:
      - Services that have to be up, and healthy where they have a health check. Any other that
        cannot be started is named in RV(failed) and stops nothing.
    type: list
    elements: str
    default: []
  create:
    description: Make a service's container by C(docker compose up) where it has none at all.
    type: bool
    default: false
  timeout:
    description: Seconds for the daemon to answer, and then for the services to be up.
    type: int
    default: 180
attributes:
  check_mode:
    description: Nothing is started; RV(started) tells what would be.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Start what the application stands on
  cutover.django_q.container_revive:
    project_dir: /srv/air_risk
    project_name: air_risk
    scales: {db: 1, redis: 1, geoserver: 1}
    wait_for: [db, redis]
"""

RETURN = r"""
started:
  description: Names of the containers that were started.
  type: list
  elements: str
  returned: success
created:
  description: Services whose container was made.
  type: list
  elements: str
  returned: success
policies:
  description: Names of the containers that got their restart policy back.
  type: list
  elements: str
  returned: success
failed:
  description: Containers that could not be started, each with the reason.
  type: dict
  returned: success
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    PROJECT_ARGUMENTS,
    ComposeProject,
    DockerError,
    describe_container,
    project_of,
    run,
)

POLL_SECONDS = 0.3
# What a container that was asked to end needs, so that it returns after an end with status 0.
RETURNING = ("always", "unless-stopped")


def of_service(containers: list[dict[str, Any]], service: str) -> list[dict[str, Any]]:
    """The containers of one service."""
    return [item for item in containers if item["service"] == service]


def down(containers: list[dict[str, Any]], scales: dict[str, int]) -> list[dict[str, Any]]:
    """The containers to start: those that ran last, until as many of a service are up as before.

    Args:
        containers: as `docker_cli.describe_container` tells them.
        scales: how many are to be up, by service.
    """
    found = []
    for service, scale in scales.items():
        mine = of_service(containers, service)
        up = sum(item["state"] in ("running", "restarting") for item in mine)
        waiting = [item for item in mine if item["state"] in ("exited", "paused")]
        waiting.sort(key=lambda item: item["started_at"] or "", reverse=True)
        found += waiting[: max(0, scale - up)]
    return found


def given_back(container: dict[str, Any], policy: str) -> str:
    """The restart policy that a container is to get; "" where its own stays.

    Args:
        container: as it was found: a running one was asked to end and will.
        policy: what it had before.
    """
    if container["restart_policy"] != "no" or policy in ("", "no"):
        return ""
    if container["state"] == "running" and policy not in RETURNING:
        return "unless-stopped"
    return policy


def unwell(containers: list[dict[str, Any]], scales: dict[str, int], names: list[str]) -> list[str]:
    """What keeps services from being up, one sentence a service; [] when all are."""
    found = []
    for service in names:
        mine = of_service(containers, service)
        good = [
            item
            for item in mine
            if item["state"] == "running" and item["health"] in (None, "healthy")
        ]
        if len(good) < scales.get(service, 1):
            states = [item["health"] or item["state"] for item in mine] or ["not there"]
            found.append(f"{service} is {', '.join(states)}")
    return found


def wait_for_daemon(timeout: float) -> None:
    """Wait until the Docker daemon answers.

    Raises:
        DockerError: it did not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        try:
            run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=30)
            return
        except DockerError as error:
            if time.monotonic() > deadline:
                raise DockerError(
                    f"The Docker daemon has not answered for {timeout:g} s. Start it (`systemctl "
                    f"start docker`) and run the same playbook again. {error}"
                ) from None
        time.sleep(POLL_SECONDS)


def containers_of(project: ComposeProject) -> list[dict[str, Any]]:
    """The project's containers, described."""
    return [describe_container(item) for item in project.containers()]


def wait_until_up(
    project: ComposeProject, scales: dict[str, int], names: list[str], timeout: float
) -> None:
    """Wait until services are up and healthy.

    Raises:
        DockerError: one of them is not within `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while True:
        left = unwell(containers_of(project), scales, names)
        if not left:
            return
        if time.monotonic() > deadline:
            raise DockerError(
                f"{'; '.join(left)}; expected running and healthy within {timeout:g} s. Look at "
                "`docker compose ps -a` and `docker compose logs`, mend the cause and run the "
                "same playbook again."
            )
        time.sleep(POLL_SECONDS)


def start(containers: list[dict[str, Any]]) -> dict[str, str]:
    """Start containers; those that do not start, each with the reason."""
    failed = {}
    for item in containers:
        verb = "unpause" if item["state"] == "paused" else "start"
        try:
            run(["docker", verb, item["id"]], timeout=120)
        except DockerError as error:
            failed[item["name"]] = str(error)
    return failed


def revive(params: dict[str, Any], dry: bool) -> dict[str, Any]:
    """Start what is down; the module's result.

    Raises:
        DockerError: what has to be up is not.
    """
    project = project_of(params)
    scales = {name: int(scale) for name, scale in params["scales"].items()}
    wait_for_daemon(params["timeout"])
    containers = containers_of(project)
    missing = [name for name in scales if params["create"] and not of_service(containers, name)]
    waiting = down(containers, scales)
    policies = {
        item["id"]: given_back(item, params["policies"].get(item["service"], ""))
        for item in containers
        if item["service"] in scales
        and (item["state"] == "running" or any(item is other for other in waiting))
    }
    result = {
        "started": [item["name"] for item in waiting],
        "created": missing,
        "policies": [item["name"] for item in containers if policies.get(item["id"])],
        "failed": {},
    }
    result["changed"] = any(result.values())
    if dry:
        return result
    for container, policy in policies.items():
        if policy:
            run(["docker", "update", "--restart", policy, container], timeout=30)
    result["failed"] = start(waiting)
    if missing:
        options = ["-d", "--no-deps", "--no-recreate", "--no-build", "--pull", "never"]
        run(project.argv("up", *options, *missing), timeout=300, cwd=project.directory)
    wait_until_up(project, scales, params["wait_for"], params["timeout"])
    return result


def main() -> None:
    """Start what is down."""
    module = AnsibleModule(
        argument_spec={
            **PROJECT_ARGUMENTS,
            "scales": {"type": "dict", "required": True},
            "policies": {"type": "dict", "default": {}},
            "wait_for": {"type": "list", "elements": "str", "default": []},
            "create": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    try:
        result = revive(module.params, module.check_mode)
    except DockerError as error:
        module.fail_json(msg=str(error))
    for name, reason in result["failed"].items():
        module.warn(f"{name} could not be started: {reason}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
