# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What the preflight asks the application, and in which of its containers."""

from __future__ import annotations

from typing import Any


def running(services: dict[str, Any]) -> dict[str, list[str]]:
    """The names of running containers by service; services without one are left out."""
    found = {
        name: [item["name"] for item in service["containers"] if item["state"] == "running"]
        for name, service in services.items()
    }
    return {name: containers for name, containers in found.items() if containers}


def questions(services: dict[str, Any], ask: dict[str, Any]) -> list[dict[str, Any]]:
    """The questions for the action `preflight_application`.

    Args:
        services: as `compose_info` returns them.
        ask: app_services, web, workers, beats (names of services), salt, celery_app,
            inspect_timeout.

    Returns:
        One `identity_<service>` for each running service of the application, `django_q` in web
        and `celery` in a worker (in web where no worker runs), as far as those run.
    """
    awake = running(services)
    asked: list[dict[str, Any]] = [
        {
            "name": f"identity_{name}",
            "service": name,
            "script": "identity",
            "params": {"salt": ask["salt"]},
        }
        for name in ask["app_services"]
        if name in awake
    ]
    if ask["web"] in awake:
        asked.append({"name": "django_q", "service": ask["web"], "script": "django_q_state"})
    beat = next((services[name] for name in ask["beats"] if name in services), {})
    place = next((name for name in [*ask["workers"], ask["web"]] if name in awake), None)
    if place:
        asked.append(
            {
                "name": "celery",
                "service": place,
                "script": "celery_state",
                "params": {
                    "celery_app": ask["celery_app"],
                    "beat_command": beat.get("command") or [],
                    "inspect_timeout": ask["inspect_timeout"],
                },
            }
        )
    return asked
