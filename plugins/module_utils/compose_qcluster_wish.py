# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What a qcluster service should be like, and what a new one needs for that."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.compose_command import words_of
from ansible_collections.cutover.django_q.plugins.module_utils.compose_healthcheck import (
    healthcheck,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_model import seconds
from ansible_collections.cutover.django_q.plugins.module_utils.compose_project import Project
from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import (
    Node,
    effective,
    merged_mappings,
)

RESTARTS = ("unless-stopped", "always")


@dataclass
class Wish:
    """What a qcluster service should be like.

    Attributes:
        command: its command in exec form.
        stop_grace_period: the least that it needs, as Compose writes durations.
        start_interval: whether Engine and Compose know that key of a health check.
    """

    command: list[str] = field(default_factory=lambda: ["python", "manage.py", "qcluster"])
    stop_grace_period: str = "10m"
    start_interval: bool = False


def settings_for(project: Project, model: str, name: str, wish: Wish) -> dict[str, Any]:
    """The keys to write into a new service: what neither the model's text nor a merge gives it.

    Args:
        project: the files.
        model: the service whose text is taken.
        name: the new service.
        wish: what it should be like.
    """
    values: dict[str, Any] = {
        "command": wish.command,
        "healthcheck": healthcheck(wish.command, wish.start_interval),
    }
    restart = project.setting(model, "restart")
    if restart is None or restart[1].value.resolved.value not in RESTARTS:
        values["restart"] = "unless-stopped"
    grace = project.setting(model, "stop_grace_period")
    found = seconds(grace[1].value.resolved.value) if grace else None
    if found is None or found < (seconds(wish.stop_grace_period) or 0):
        values["stop_grace_period"] = wish.stop_grace_period
    entrypoint = project.setting(model, "entrypoint")
    if entrypoint is not None and any(
        "celery" in word for word in words_of(entrypoint[1].value.resolved)
    ):
        values["entrypoint"] = []
    for definition in project.definitions(model):
        values.update(_taken_back(definition.entry.value, model, name))
    return values


def _taken_back(body: Node, model: str, name: str) -> dict[str, Any]:
    """Keys that the model has itself and a merge would bring in another form without it."""
    values: dict[str, Any] = {}
    if body.kind != "mapping":
        return values
    for key in ("container_name", "hostname", "stop_signal", "ports"):
        entry = body.entry(key)
        if entry is None or not any(effective(node, key) for node in merged_mappings(body)):
            continue
        value = entry.value.resolved
        if key == "ports":
            if value.items:
                values[key] = []
        elif key == "stop_signal":
            values[key] = "SIGTERM"
        else:
            values[key] = value.value.replace(model, name) if model in value.value else name
    return values
