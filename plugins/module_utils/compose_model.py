# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The proof of an edit: Compose's own reading before and after differs in what was meant alone.

A model is the document that `docker compose config --format json` prints. It holds the values
of environment variables: what these functions return names places, never values.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

# What a new service does not take over from the one after which it is modelled.
NOT_COPIED = (
    "command",
    "healthcheck",
    "stop_signal",
    "init",
    "container_name",
    "hostname",
    "ports",
    "expose",
)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION_KEYS = {"interval", "timeout", "start_period", "start_interval", "stop_grace_period"}
# Compose leaves out what no service uses.
_SHARED = ("networks", "volumes", "configs", "secrets")


@dataclass
class Cluster:
    """What was meant for one qcluster service.

    Attributes:
        name: the service.
        like: the service after which it is modelled; empty when it was there before.
        settings: key to the value that was set, as it is written in the file.
        environment: the variables that were set.
    """

    name: str
    like: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The cluster as plain values."""
        return {
            "name": self.name,
            "like": self.like,
            "settings": self.settings,
            "environment": self.environment,
        }


def seconds(duration: Any) -> float | None:
    """A duration as Compose writes it (`1m30s`) in seconds; None when it is none."""
    if not isinstance(duration, str) or not duration.strip():
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)", duration.strip())
    if "".join(number + unit for number, unit in parts) != duration.strip():
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """The places at which two documents differ, as dotted paths."""
    if isinstance(before, dict) and isinstance(after, dict):
        found = []
        for key in sorted(set(before) | set(after)):
            where = f"{path}.{key}" if path else str(key)
            if key not in after:
                found.append(f"{where} is gone")
            elif key not in before:
                found.append(f"{where} is new")
            else:
                found += differences(before[key], after[key], where)
        return found
    return [] if before == after else [f"{path} is another"]


def without_references(service: dict[str, Any], dropped: set[str]) -> dict[str, Any]:
    """A service as it is once the dropped services are named by nothing.

    Compose makes a `depends_on` of each link, so both are cleaned in the same way.
    """
    cleaned = dict(service)
    depends = cleaned.get("depends_on")
    if isinstance(depends, dict):
        cleaned["depends_on"] = {k: v for k, v in depends.items() if k not in dropped}
    for key in ("links", "volumes_from"):
        if isinstance(cleaned.get(key), list):
            cleaned[key] = [v for v in cleaned[key] if str(v).split(":")[0] not in dropped]
    return {key: value for key, value in cleaned.items() if value not in ({}, []) or key in _KEPT}


# Empty values that mean something: they take back what an image or a merge brings.
_KEPT = {"command", "entrypoint", "environment"}


def _same(key: str, wanted: Any, found: Any) -> bool:
    """Whether a setting of the model is the one that was written into the file."""
    if key in _DURATION_KEYS:
        return seconds(wanted) is not None and seconds(wanted) == seconds(found)
    if isinstance(wanted, dict) and isinstance(found, dict):
        return set(wanted) == set(found) and all(_same(k, wanted[k], found[k]) for k in wanted)
    return wanted == found


def _cluster_differences(
    cluster: Cluster, model: dict[str, Any], after: dict[str, Any], path: str
) -> list[str]:
    """Where a qcluster service is not `model` with the settings that were meant."""
    found = []
    for key, wanted in cluster.settings.items():
        # An empty value that takes back what a merge brings may leave no trace in the model.
        if _same(key, wanted, after.get(key)) or (wanted == [] and not after.get(key)):
            continue
        found.append(f"{path}.{key} is not what was written")
    environment = after.get("environment") or {}
    for name, value in cluster.environment.items():
        if environment.get(name) != value:
            found.append(f"{path}.environment.{name} is not what was written")
    free = set(cluster.settings)
    if cluster.like:
        # Where the new service has such a key all the same, a merge brings it to both.
        free |= {key for key in NOT_COPIED if after.get(key) in (None, [], model.get(key))}
    old = {key: value for key, value in model.items() if key not in free}
    new = {key: value for key, value in after.items() if key not in free}
    if cluster.environment:
        for side in (old, new):
            side["environment"] = {
                k: v
                for k, v in (side.get("environment") or {}).items()
                if k not in cluster.environment
            }
    return found + differences(old, new, path)


def unexpected_differences(
    before: dict[str, Any],
    after: dict[str, Any],
    dropped: list[str],
    clusters: list[Cluster],
) -> list[str]:
    """Where the model after an edit is not the one before with just what was meant changed.

    Args:
        before: the model of the files as they were.
        after: the model of the edited files.
        dropped: the services that were to go.
        clusters: the qcluster services that were added or adjusted.

    Returns:
        Places as dotted paths with what is wrong there; empty when the edit is proved.
    """
    gone = set(dropped)
    old, new = dict(before.get("services") or {}), dict(after.get("services") or {})
    found = [f"services.{name} is still there" for name in sorted(gone & set(new))]
    wanted = {cluster.name: cluster for cluster in clusters}
    for name in sorted((set(old) | set(new)) - gone):
        path = f"services.{name}"
        if name not in new:
            found.append(f"{path} is gone")
            continue
        service = without_references(new[name], set())
        cluster = wanted.get(name)
        origin = cluster.like if cluster and cluster.like else name
        if origin not in old:
            found.append(f"{path} is new")
            continue
        model = without_references(old[origin], gone)
        if cluster is not None:
            found += _cluster_differences(cluster, model, service, path)
        else:
            found += differences(model, service, path)
    for name in sorted(set(wanted) - set(new)):
        found.append(f"services.{name} is missing")
    for section in _SHARED:
        one, two = before.get(section) or {}, after.get(section) or {}
        kept = {name: value for name, value in one.items() if name in two}
        found += differences(kept, two, section)
    others = [
        {
            key: _without_names(value, gone) if key.startswith("x-") else value
            for key, value in model.items()
            if key != "services" and key not in _SHARED
        }
        for model in (before, after)
    ]
    return found + differences(*others)


def _without_names(value: Any, gone: set[str]) -> Any:
    """A block for merge keys (`x-…`) without the dropped services that it names."""
    if isinstance(value, dict):
        return {k: _without_names(v, gone) for k, v in value.items() if k not in gone}
    if isinstance(value, list):
        return [
            _without_names(item, gone)
            for item in value
            if not isinstance(item, str) or item.split(":")[0] not in gone
        ]
    return value
