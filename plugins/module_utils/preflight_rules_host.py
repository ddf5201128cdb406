# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What a host and a deployment must be like. Facts are those of the module `preflight_host`."""

from __future__ import annotations

import difflib
import os
import re
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.preflight_findings import (
    Judgement,
    human,
    listed,
)


def version_of(text: str) -> tuple[int, ...]:
    """The numbers of a version (`26.1.5+dfsg1` is (26, 1, 5)); empty when there are none."""
    match = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def judge_docker(found: Judgement, docker: dict[str, Any], settings: dict[str, Any]) -> bool:
    """Docker and Compose; True when both can be used."""
    if not docker["installed"]:
        found.error(
            "docker_missing",
            docker["error"],
            "Docker Engine and Compose v2",
            "Install them, or correct the inventory: is this the host of the deployment?",
        )
        return False
    if not docker["compose_version"]:
        found.error(
            "compose_missing",
            "`docker compose version` does not answer",
            f"Compose {settings['compose_min_version']} or newer",
            "Install Compose v2 (package docker-compose-plugin or docker-compose-v2).",
        )
    if not docker["running"]:
        found.error(
            "docker_not_running",
            f"the Docker daemon does not answer: {docker['error']}",
            "a running Docker daemon, and the right to use it",
            "Start it (`systemctl start docker`), or connect as a user who may use Docker.",
        )
    for name, key, wanted in (
        ("Docker Engine", "version", settings["docker_min_version"]),
        ("Compose", "compose_version", settings["compose_min_version"]),
    ):
        if docker[key] and version_of(docker[key]) < version_of(wanted):
            found.error(
                f"{'docker' if key == 'version' else 'compose'}_too_old",
                f"{name} {docker[key]}",
                f"{name} {wanted} or newer",
                "Upgrade it.",
            )
    return bool(docker["running"] and docker["compose_version"])


def judge_project(found: Judgement, host: dict[str, Any]) -> bool:
    """The project's folder and files; True when Compose can read them."""
    project, compose = host["project"], host["compose"]
    if not project["exists"]:
        found.error(
            "project_dir_missing",
            f"there is no folder {project['path']} on the host",
            "the folder of the Compose project",
            "Correct deployment_project_dir, or the inventory.",
        )
        return False
    if not project["writable"]:
        found.error(
            "project_dir_read_only",
            f"{project['path']} cannot be written",
            "a folder in which the Compose file can be replaced",
            "Set ansible_become, or correct the folder's owner.",
        )
    missing = [item["path"] for item in compose["files"] if not item["exists"]]
    if missing:
        found.error(
            "compose_file_missing",
            f"not there: {listed(missing)}",
            "the Compose files of the deployment",
            "Correct deployment_compose_files.",
        )
        return False
    if compose["error"]:
        found.error(
            "compose_invalid",
            compose["error"],
            "Compose files that `docker compose config` can read: "
            + listed([item["path"] for item in compose["files"]]),
            "Mend the file where the message points.",
        )
        return False
    return bool(compose["services"])


def judge_services(found: Judgement, host: dict[str, Any], settings: dict[str, Any]) -> None:
    """The services that the variables name exist and run.

    Args:
        settings: `services` is {variable: [service, …]}; those of `must_run` have to be running.
    """
    services = host["compose"]["services"]
    known = sorted(services)
    for variable, names in settings["services"].items():
        for name in names:
            if name in services:
                continue
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            found.error(
                "service_unknown",
                f"{variable} names {name!r}, which is no service of the Compose files",
                f"one of: {', '.join(known)}",
                f"Correct {variable}" + (f"; is it {near[0]!r}?" if near else "."),
            )
    if not host["docker"]["running"]:
        return
    for variable, names in settings["services"].items():
        for name in names:
            containers = services.get(name, {}).get("containers") or []
            states = sorted({item["state"] for item in containers})
            if name in services and "running" not in states:
                report = found.error if variable in settings["must_run"] else found.warning
                report(
                    "service_not_running",
                    f"the service {name} has no running container"
                    + (f", its containers are {listed(states)}" if states else ""),
                    "a running container before the migration starts",
                    f"`docker compose up -d {name}`, and look at `docker compose logs {name}`.",
                )
            for item in containers:
                if item["state"] == "restarting" or item["health"] == "unhealthy":
                    found.warning(
                        "container_unwell",
                        f"{item['name']} is {item['health'] or item['state']}, "
                        f"restarted {item['restart_count']} times",
                        "a healthy container",
                        f"Look at `docker logs {item['name']}`.",
                    )


def judge_bystanders(found: Judgement, host: dict[str, Any], settings: dict[str, Any]) -> None:
    """What is not the application's own agrees with the Compose files.

    The switch starts services with what they depend on, and Compose recreates a container whose
    model has changed since it was made. It is a warning, since `docker compose config --hash`
    leaves out what an env_file brings: a service with one may look changed and not be.

    Args:
        settings: `app_services` are the application's own.
    """
    for name, service in sorted(host["compose"]["services"].items()):
        if name in settings["app_services"] or not service.get("hash"):
            continue
        if any(
            item["state"] == "running" and item.get("config_hash") not in (None, service["hash"])
            for item in service["containers"]
        ):
            found.warning(
                "bystander_drift",
                f"the container of the service {name} seems to be made from another form of the "
                "Compose files than stands there now",
                "no difference: starting a service that depends on it may recreate it",
                f"See `docker compose up -d --dry-run {name}`; apply the files first, or take the "
                "change back.",
            )


def judge_checkout(found: Judgement, host: dict[str, Any]) -> None:
    """The Git checkout: there, and without changes other than those of an earlier run."""
    git = host["git"]
    if git.get("error") and not git.get("checkout"):
        found.error(
            "git_checkout",
            git["error"],
            f"a Git checkout at {host['project']['path']}",
            "Set release_strategy to archive or image, or make the folder a checkout.",
        )
        return
    if git.get("error"):
        found.error("git_unreadable", git["error"], "a checkout that Git can read", "Mend it.")
        return
    ours = {
        item["path"]
        for item in host["compose"]["files"]
        if item["sha256"] in host["current"]["edited"]
    }
    changed = [item["path"] for item in git["changes"] if item["path"] not in ours]
    if changed:
        top = host["project"]["path"]
        found.error(
            "git_local_changes",
            "changed in the checkout and not committed: "
            + listed([os.path.relpath(path, top) for path in changed]),
            "a checkout without local changes: another ref is to be checked out",
            f"Commit them and push, or look at `git -C {top} diff` and put them aside.",
        )


def judge_target_ref(found: Judgement, host: dict[str, Any], settings: dict[str, Any]) -> None:
    """The target ref exists at the remote and leads to another commit."""
    target = host["target"]
    if not target:
        return
    if not target["ref"]:
        found.error(
            "target_ref_not_set",
            "release_target_ref is not set, and release_strategy is git",
            "the tag, branch or commit that runs on Django-Q",
            "Set release_target_ref for this environment.",
        )
        return
    if target["error"]:
        reachable = target["reachable"]
        found.error(
            "target_ref_missing" if reachable else "git_remote_unreachable",
            target["error"],
            f"the ref {target['ref']!r} at the remote" if reachable else "a remote that answers",
            "Push the ref, or correct release_target_ref."
            if reachable
            else f"Try `git -C {host['project']['path']} ls-remote` on the host.",
        )
        return
    if target["sha"] == host["git"].get("sha"):
        found.warning(
            "target_is_checked_out",
            f"{target['ref']} is the commit that is checked out already ({target['sha'][:12]})",
            "a release that has left Celery",
            "Is release_target_ref the right one?",
        )
    tree = target["tree"]
    if tree is None:
        found.skip(
            "the management commands in the ref's tree",
            "the ref is not in the checkout's repository yet, and it was not to be fetched"
            if settings["check_mode"]
            else "the ref has to be fetched first; its image is asked instead",
        )
    elif settings["setup_command"] not in tree["commands"]:
        report = found.warning if settings["command_may_be_installed"] else found.error
        report(
            "setup_schedules_missing",
            f"no management/commands/{settings['setup_command']}.py in the tree of "
            f"{target['ref']}; it has: {listed(tree['commands']) or 'none'}",
            "a command that makes the schedules",
            "Add it to the release, or name another in deployment_setup_command.",
        )


def judge_lock(found: Judgement, host: dict[str, Any], settings: dict[str, Any]) -> None:
    """No other run holds the lock.

    Args:
        settings: `run_id` is the run that this preflight belongs to, "" when it stands alone.
    """
    held, path = host["lock"], settings["lock_path"]
    if not held or (settings["run_id"] and held.get("run_id") == settings["run_id"]):
        return
    found.error(
        "lock_held",
        f"the run {held.get('run_id', '?')} of {held.get('user', '?')} on {held.get('host', '?')} "
        f"(process {held.get('pid', '?')}) holds the lock {path} since {held.get('since', '?')}",
        "no other run on this deployment",
        f"Wait for it to end; when you know that it is dead, `rm {path}` on the host.",
    )


def needs(
    host: dict[str, Any], database: dict[str, Any] | None, settings: dict[str, Any]
) -> list[dict[str, Any]]:
    """How much room is needed where.

    Args:
        database: facts of `postgres_facts`; None when they are not known.
        settings: `app_services` (whose images are replaced), `dump_share` (of the database's
            size) and `image_share` (of the images' size), both from 0 up, `room_margin` in bytes.

    Returns:
        [{room, bytes, what}], rooms by the names in `host["rooms"]`.
    """
    services = host["compose"]["services"]
    used = {
        container["image_id"]
        for name in settings["app_services"]
        for container in (services.get(name) or {}).get("containers") or []
    }
    images = sum(size for image, size in host["images"].items() if image in used)
    size = (database or {}).get("size") or 0
    wanted = [
        {
            "room": "state",
            "bytes": int(size * settings["dump_share"]),
            "what": f"dump {human(size * settings['dump_share'])}",
        },
        {
            # The archives hold the images of before and, as large as these, those of after.
            "room": "state",
            "bytes": int(2 * images * settings["image_share"]),
            "what": f"archives of the images {human(2 * images * settings['image_share'])}",
        },
        {"room": "docker", "bytes": 2 * images, "what": f"new images {human(2 * images)}"},
    ]
    if settings["db_service"] and settings["verify"]:
        wanted.append(
            {
                "room": "docker",
                "bytes": int(size * 1.1),
                "what": f"restore test {human(size * 1.1)}",
            }
        )
    wanted.append({"room": "state", "bytes": settings["room_margin"], "what": "margin"})
    return wanted


def judge_room(
    found: Judgement,
    host: dict[str, Any],
    database: dict[str, Any] | None,
    settings: dict[str, Any],
) -> None:
    """Every file system has room for what will be put on it together."""
    rooms = host["rooms"]
    wanted = [item for item in needs(host, database, settings) if item["room"] in rooms]
    if not (database or {}).get("size"):
        found.skip("the room for dump and restore test", "the database's size is not known")
    for device in sorted({room["device"] for room in rooms.values()}):
        here = [name for name, room in rooms.items() if room["device"] == device]
        parts = [item for item in wanted if item["room"] in here]
        total = sum(item["bytes"] for item in parts)
        room = rooms[here[0]]
        if room["free"] < total:
            paths = listed([rooms[name]["path"] for name in here])
            found.error(
                "no_room",
                f"{human(room['free'])} free on the file system of {paths}",
                f"{human(total)}: " + ", ".join(item["what"] for item in parts),
                "Make room (`docker image prune`), or set deployment_state_dir to a larger disk.",
            )
    if not rooms["state"]["writable"]:
        found.error(
            "state_dir_read_only",
            f"{rooms['state']['path']} cannot be written or made",
            "a folder for runs and dumps",
            "Set ansible_become, or correct deployment_state_dir.",
        )
    free = (database or {}).get("data_free_bytes")
    size = (database or {}).get("size") or 0
    if settings["verify"] and free is not None and free < size * 1.1:
        found.error(
            "no_room_for_restore_test",
            f"{human(free)} free where PostgreSQL keeps its data",
            f"{human(size * 1.1)} for a scratch copy of the database",
            "Make room there, or set postgres_backup_verify to false.",
        )


def judge_host(host: dict[str, Any], settings: dict[str, Any]) -> tuple[Judgement, bool]:
    """All rules about the host but room.

    Returns:
        The judgement, and whether the application's containers can be asked.
    """
    found = Judgement()
    state = host["current"]["state"]
    if state in ("migrated", "finalized") and not settings["run_id"]:
        found.error(
            "already_migrated",
            f"the run {host['current']['run_id']} is {state}: Celery is gone from this deployment",
            "a deployment that runs on Celery",
            "There is nothing to prepare. playbooks/verify.yml and playbooks/monitor.yml look at "
            "what runs now.",
        )
        return found, False
    usable = judge_docker(found, host["docker"], settings)
    readable = judge_project(found, host)
    if readable:
        judge_services(found, host, settings)
        judge_bystanders(found, host, settings)
    elif not found.has("project_dir_missing"):
        found.skip("the services that the variables name", "the Compose files cannot be read")
    if host["git"]:
        judge_checkout(found, host)
        judge_target_ref(found, host, settings)
    elif not host["project"]["exists"]:
        found.skip("the checkout and the target ref", "the project's folder is not there")
    judge_lock(found, host, settings)
    return found, usable and readable
