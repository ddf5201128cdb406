#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Switches services to the images of a release and measures the gap."""

from __future__ import annotations

DOCUMENTATION = r"""
module: release_switch
short_description: Switches services to the images of a release and measures the gap
version_added: 0.1.0
description:
  - Gives the images of before or after the names that the services resolve to, then recreates
    services one after the other and waits until each is up and healthy. It is one call, since
    users are without O(services) in it.
  - Nothing is built or pulled. What the services depend on is never touched, a container that is
    no longer what the Compose files say and a job that has ended included. Where Compose would
    touch one, the service is recreated without its dependencies, and RV(alone) names it.
  - A further service that had no running container is left as it is. The number of containers of a
    service stays.
  - What a call that was cut off by force left behind is waited for and cleared - a
    C(docker compose up) that still runs, a container that was created and not started.
extends_documentation_fragment:
  - cutover.django_q.compose_project
options:
  images:
    description: RV(cutover.django_q.release_build#module:images), as recorded in the manifest.
    type: list
    elements: dict
    required: true
  side:
    description: Which images the services are to run.
    type: str
    choices: [before, after]
    default: after
  services:
    description: The services, in the order in which they are switched. The first is measured.
    type: list
    elements: str
    required: true
  hold:
    description: >-
      Services that stay down although others depend on them; one that runs is left as it is.
    type: list
    elements: str
    default: []
  scales:
    description: >-
      How many containers of a service ran before, by service. A switch that was cut off may have
      stopped some of those that are up.
    type: dict
    default: {}
  recreate:
    description: >-
      Recreate the services whatever image they run: their code is mounted from the host, and it was
      changed under them.
    type: bool
    default: false
  health_url:
    description: >-
      A URL of the first service that is asked all the time while it is recreated; empty measures
      nothing.
    type: str
    default: ""
  measure_bare:
    description: >-
      Recreate the first service once more, without any change, and measure that too. Users are
      without it for a second time.
    type: bool
    default: false
  timeout:
    description: Seconds that a service may take to be up and healthy.
    type: int
    default: 180
attributes:
  check_mode:
    description: Nothing is tagged or recreated.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Switch web and the cron service
  cutover.django_q.release_switch:
    project_dir: /srv/air_risk
    project_name: air_risk
    images: "{{ run_record_manifest.release.images }}"
    services: [web, cron]
    health_url: http://127.0.0.1:8000/health/
"""

RETURN = r"""
names:
  description: The image names that now lead elsewhere.
  type: list
  elements: str
  returned: success
switched:
  description: The services that were recreated.
  type: list
  elements: str
  returned: success
idle:
  description: The services that had no running container and were left as they are.
  type: list
  elements: str
  returned: success
alone:
  description: >-
    The services that were recreated without their dependencies, each with the dependency that
    Compose would have recreated or started. The next plain C(docker compose up) does both.
  type: dict
  returned: success
gap_seconds:
  description: >-
    Seconds for which O(health_url) gave no answer; null when nothing was measured.
  type: float
  returned: success
bare_gap_seconds:
  description: The same for the recreation without a change; null when it was not measured.
  type: float
  returned: success
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    PROJECT_ARGUMENTS,
    DockerError,
    describe_container,
    project_of,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_recreate import Recreation
from ansible_collections.cutover.django_q.plugins.module_utils.release_retag import retag


def by_service(containers: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Containers that are up, by service.

    A restarting one counts: the switch may be what heals it. One that was only created does not:
    a switch that was cut off leaves it beside the one that it was to replace.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for container in containers:
        if container["state"] in ("running", "restarting"):
            found.setdefault(container["service"], []).append(container)
    return found


def expected_images(images: list[dict[str, Any]], side: str) -> dict[str, str]:
    """The id of the image that each service is to run."""
    return {
        service: image[side]["id"]
        for image in images
        if image["replaced"]
        for service in image["services"]
    }


def up_to_date(containers: list[dict[str, Any]], image_id: str | None) -> bool:
    """Whether all containers of a service run the image and are up."""
    return bool(image_id) and all(
        item["image_id"] == image_id
        and item["state"] == "running"
        and item["health"] in (None, "healthy")
        for item in containers
    )


def scale_of(service: str, scales: dict[str, Any], containers: list[dict[str, Any]]) -> int:
    """How many containers of a service there are to be: as recorded, or as are up if more are."""
    return max(int(scales.get(service) or 0), len(containers))


def switch(params: dict[str, Any], dry: bool) -> dict[str, Any]:
    """Retag and recreate; the module's result."""
    way = Recreation(project_of(params), params["timeout"])
    expected = expected_images(params["images"], params["side"])
    running = by_service([describe_container(item) for item in way.project.containers()])
    way.held = [name for name in params["hold"] if name not in running]
    result: dict[str, Any] = {"switched": [], "idle": []}
    result.update(gap_seconds=None, bare_gap_seconds=None)
    result["names"] = retag(params["images"], params["side"], dry)
    for position, service in enumerate(params["services"]):
        containers = running.get(service, [])
        scale = scale_of(service, params["scales"], containers)
        # The first one, web, is started where it is down; another one that is down stays down.
        if not scale and position > 0:
            result["idle"].append(service)
        elif (
            not containers
            or params["recreate"]
            or len(containers) != scale
            or not up_to_date(containers, expected.get(service))
        ):
            result["switched"].append(service)
            if dry:
                continue
            if not way.services:
                way.read()
            scale = max(scale, 1)
            url = params["health_url"] if position == 0 else ""
            gap = way.measured(service, scale, url, force=params["recreate"])
            if position == 0:
                result["gap_seconds"] = gap
    if result["switched"][:1] == params["services"][:1] and params["measure_bare"] and not dry:
        first = params["services"][0]
        scale = max(scale_of(first, params["scales"], running.get(first, [])), 1)
        result["bare_gap_seconds"] = way.measured(first, scale, params["health_url"], force=True)
    result["alone"] = way.alone
    result["changed"] = bool(result["names"] or result["switched"])
    return result


def main() -> None:
    """Switch the services."""
    module = AnsibleModule(
        argument_spec={
            **PROJECT_ARGUMENTS,
            "images": {"type": "list", "elements": "dict", "required": True},
            "side": {"type": "str", "choices": ["before", "after"], "default": "after"},
            "services": {"type": "list", "elements": "str", "required": True},
            "hold": {"type": "list", "elements": "str", "default": []},
            "scales": {"type": "dict", "default": {}},
            "recreate": {"type": "bool", "default": False},
            "health_url": {"type": "str", "default": ""},
            "measure_bare": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    try:
        result = switch(module.params, module.check_mode)
    except DockerError as error:
        module.fail_json(msg=str(error))
    for service, disturbed in result["alone"].items():
        module.warn(
            f"{service} was recreated without its dependencies, since Compose would have touched "
            f"{disturbed} too. The next plain `docker compose up` recreates or starts both."
        )
    if result["idle"]:
        idle = ", ".join(result["idle"])
        module.warn(
            f"No container of {idle} was running: left down, its next start is on the release."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
