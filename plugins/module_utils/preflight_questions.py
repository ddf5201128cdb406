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
    """The questions for the action `preflight_application`, one for each container that is asked.

    Args:
        services: as `preflight_host` returns them.
        ask: app_services, web, workers, beats (names of services), salt, celery_app,
            inspect_timeout.

    Returns:
        [{service, parts: [{name, script, params}]}]: `identity_<service>` of each running service
        of the application, `django_q` in web and `celery` in a worker (in web where no worker
        runs).
    """
    awake = running(services)
    beat = next((services[name] for name in ask["beats"] if name in services), {})
    place = next((name for name in [*ask["workers"], ask["web"]] if name in awake), None)
    asked = []
    for service in ask["app_services"]:
        if service not in awake:
            continue
        identity = {
            "name": f"identity_{service}",
            "script": "identity",
            "params": {"salt": ask["salt"]},
        }
        parts: list[dict[str, Any]] = [identity]
        if service == ask["web"]:
            parts.append({"name": "django_q", "script": "django_q_state", "params": {}})
        if service == place:
            celery = {
                "celery_app": ask["celery_app"],
                "beat_command": beat.get("command") or [],
                "inspect_timeout": ask["inspect_timeout"],
            }
            parts.append({"name": "celery", "script": "celery_state", "params": celery})
        asked.append({"service": service, "parts": parts})
    return asked


def answers_of(parts: list[dict[str, Any]], done: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The answers to a question's parts by their names: {result, error}.

    Args:
        done: what the module `app_script` returned; a failure is the answer to every part.
    """
    error = str(done.get("msg") or "it failed and said nothing") if done.get("failed") else ""
    said = {} if error else done.get("result") or {}
    missing = {"result": {}, "error": error or "it was not answered"}
    return {part["name"]: said.get(part["name"], missing) for part in parts}
