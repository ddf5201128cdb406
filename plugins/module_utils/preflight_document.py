# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The state before a migration, as it goes into the manifest under `preflight`."""

from __future__ import annotations

from typing import Any

CONTAINER = ("id", "name", "image_id", "started_at", "state", "restart_count", "restart_policy")


def described_services(services: dict[str, Any]) -> dict[str, Any]:
    """Each service that has containers, with how many run and what they are."""
    return {
        name: {
            "scale": sum(item["state"] == "running" for item in service["containers"]),
            "containers": [{key: item[key] for key in CONTAINER} for item in service["containers"]],
        }
        for name, service in services.items()
        if service["containers"]
    }


def document(facts: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """What ran before, for the manifest.

    Args:
        facts: see `preflight_judge.judge`.
        settings: `app_services` are the services that the migration touches.

    Returns:
        {git, services, celery, django_q, lint, memory, bystanders, database, engine}; celery and
        django_q are {} when they did not answer, lint is {} when the target was not linted.
    """
    host = facts["host"]
    answers = facts.get("answers") or {}
    database = facts.get("database") or {}
    services = described_services(host["compose"]["services"])
    git = host["git"] or {}
    return {
        "git": {key: git.get(key) for key in ("sha", "branch", "describe")},
        "services": services,
        "celery": (answers.get("celery") or {}).get("result") or {},
        "django_q": (answers.get("django_q") or {}).get("result") or {},
        "lint": (facts.get("lint") or {}).get("figures") or {},
        "memory": host["memory"],
        "bystanders": sorted(set(services) - set(settings["app_services"])),
        "database": {
            key: database.get(key)
            for key in ("server_version", "size", "tables", "max_connections", "connections")
        },
        "engine": {
            "docker": host["docker"]["version"],
            "compose": host["docker"]["compose_version"],
        },
    }
