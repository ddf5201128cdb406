"""What of a deployment must be the same after a run that died as after an undisturbed one."""

from __future__ import annotations

import json
import re
from typing import Any

from testbed import record
from testbed.air_risk import AirRisk
from testbed.deploy import PROJECT, STATE
from testbed.hosts import Host

#: What the clock changes in a schedule.
RESTLESS = ("next_run", "task")
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")


def take(host: Host) -> dict[str, Any]:
    """How a deployment stands at the end of a run.

    Returns:
        containers (name to image, state, restart policy and hash of the model), git, compose (the
        file's SHA-256), images (the names of each), volumes, networks, schedules and beat (by
        name), migrations, state (of the manifest; "" without one) and files beside it.
    """
    app = AirRisk(host.run)
    run_id, state = _run(host)
    git = ("git", "-C", PROJECT)
    template = "{{.Repository}}:{{.Tag}} {{.ID}}"
    images = names(host.run("docker", "images", "--no-trunc", "--format", template), run_id)
    return {
        "containers": _containers(host, images),
        "git": {
            "head": host.run(*git, "rev-parse", "HEAD"),
            "branch": host.run(*git, "branch", "--show-current"),
            "changes": host.run(*git, "status", "--porcelain"),
        },
        "compose": host.run("sha256sum", f"{PROJECT}/docker-compose.yml").split()[0],
        "images": sorted(images.values()),
        "volumes": sorted(host.run("docker", "volume", "ls", "--format", "{{.Name}}").split()),
        "networks": sorted(host.run("docker", "network", "ls", "--format", "{{.Name}}").split()),
        "schedules": {
            name: {key: value for key, value in row.items() if key not in RESTLESS}
            for name, row in record.schedules(app).items()
        },
        "beat": record.beat(app),
        "migrations": sorted(
            f"{app_label}.{name}"
            for app_label, name in app.sql("SELECT app, name FROM django_migrations")
        ),
        "state": state,
        "files": sorted(host.run("ls", STATE, check=False).split()),
    }


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """What differs from an undisturbed run's end, in words.

    On the way back the database is kept: which migrations stay applied and which parked schedules
    stay behind depends on how far the run had come.
    """
    result = []
    for key in sorted(expected):
        one, other = found[key], expected[key]
        if expected["state"] != "migrated":
            if key == "migrations":
                continue
            if key == "schedules":
                one, other = live(one), live(other)
        if one != other:
            result.append(f"{key}: {_change(one, other)}")
    return result


def names(listed: str, run_id: str) -> dict[str, str]:
    """What each image is called, the names of a run those of any run.

    Two builds of one release are two images. So it is compared which names lead to the same one.

    Args:
        listed: By `docker images`: a line for each tag, with the image's id.
        run_id: The current run's. What earlier runs keep is left out; without a current one it is
            not: nothing was to be left of them then.
    """
    found: dict[str, list[str]] = {}
    for line in listed.splitlines():
        tag, identifier = line.split()
        of_run = RUN_ID.search(tag)
        if not (of_run and run_id and of_run[0] != run_id):
            found.setdefault(identifier, []).append(RUN_ID.sub("<run>", tag))
    return {identifier: " = ".join(sorted(tags)) for identifier, tags in found.items()}


def live(schedules: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The schedules that are not parked."""
    return {name: row for name, row in schedules.items() if row["repeats"] != 0}


def _change(found: Any, expected: Any) -> str:
    if isinstance(found, dict) and isinstance(expected, dict):
        parts = [
            f"{key}: {json.dumps(found.get(key))} in place of {json.dumps(expected.get(key))}"
            for key in sorted({*found, *expected})
            if found.get(key) != expected.get(key)
        ]
        return "; ".join(parts)
    if isinstance(found, list) and isinstance(expected, list):
        more = [item for item in found if item not in expected]
        less = [item for item in expected if item not in found]
        return f"more: {more}, missing: {less}"
    return f"{found!r} in place of {expected!r}"


def _run(host: Host) -> tuple[str, str]:
    """The current run's id and state; "" without one."""
    path = f"{STATE}/current/manifest.json"
    if not host.works("test", "-e", path):
        return "", ""
    manifest = json.loads(host.run("cat", path))
    return manifest["run_id"], manifest["state"]


def _containers(host: Host, images: dict[str, str]) -> dict[str, dict[str, str]]:
    template = (
        "{{.Name}} {{.Image}} {{.State.Status}} {{.HostConfig.RestartPolicy.Name}} "
        '{{index .Config.Labels "com.docker.compose.config-hash"}}'
    )
    ids = host.run("docker", "ps", "--all", "--quiet").split()
    found = {}
    for line in host.run("docker", "inspect", "--format", template, *ids).splitlines():
        name, image, state, policy, model = line.split()
        image = images.get(image, image)
        found[name] = {"image": image, "state": state, "policy": policy, "model": model}
    return found
