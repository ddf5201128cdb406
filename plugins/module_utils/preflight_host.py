# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Facts about a host and the deployment on it. Nothing here judges and nothing here changes.

Each reader returns a dictionary, with `error` set to a sentence where it could not read: the
preflight reports everything at once, so that one failure must not hide the others.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    ComposeProject,
    DockerError,
    describe_container,
    run,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import (
    Git,
    GitError,
    choose_ref,
    unknown_ref,
)

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS.update({"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40})


def parse_size(text: str) -> int:
    """Bytes of a size as Docker prints it (`64.5MiB`); 0 when it is none."""
    match = re.fullmatch(r"([\d.]+)\s*([A-Za-z]+)", text.strip())
    if not match or match[2] not in UNITS:
        return 0
    return int(float(match[1]) * UNITS[match[2]])


def read_docker() -> dict[str, Any]:
    """The engine and Compose.

    Returns:
        installed, running, error, version, compose_version ("" where not known), root_dir.
    """
    facts: dict[str, Any] = {
        "installed": shutil.which("docker") is not None,
        "running": False,
        "error": "",
        "version": "",
        "compose_version": "",
        "root_dir": "",
    }
    if not facts["installed"]:
        facts["error"] = "there is no command docker on the host"
        return facts
    try:
        facts["compose_version"] = (
            run(["docker", "compose", "version", "--short"], timeout=30).strip().lstrip("v")
        )
    except DockerError:
        facts["compose_version"] = ""
    try:
        info = json.loads(run(["docker", "info", "--format", "{{json .}}"], timeout=30))
    except (DockerError, ValueError) as error:
        facts["error"] = str(error)
        return facts
    # Without a daemon some versions print what they know of the client, and succeed.
    facts["version"] = info.get("ServerVersion") or ""
    facts["root_dir"] = info.get("DockerRootDir") or ""
    facts["running"] = bool(facts["version"])
    if not facts["running"]:
        facts["error"] = "; ".join(info.get("ServerErrors") or []) or "the daemon does not answer"
    return facts


def described(
    config: dict[str, Any], containers: list[dict[str, Any]], hashes: dict[str, str]
) -> dict[str, dict[str, Any]]:
    """Services by name with their command, hash and containers; nothing of their environment.

    Args:
        config: `docker compose config --format json`.
        containers: see `docker_cli.describe_container`.
        hashes: see `docker_cli.ComposeProject.hashes`.
    """
    return {
        name: {
            "command": service.get("command"),
            "hash": hashes.get(name),
            "containers": [item for item in containers if item["service"] == name],
        }
        for name, service in (config.get("services") or {}).items()
    }


def read_compose(project: ComposeProject, docker: dict[str, Any]) -> dict[str, Any]:
    """The Compose files, what Compose reads in them and what of it runs.

    Returns:
        files ([{path, exists, sha256}]), error, services (see `described`; empty when the files
        cannot be read).
    """
    files = []
    for name in project.files:
        path = os.path.join(project.directory, name)
        exists = os.path.isfile(path)
        files.append(
            {"path": path, "exists": exists, "sha256": atomic_file.sha256(path) if exists else None}
        )
    facts: dict[str, Any] = {"files": files, "error": "", "services": {}}
    if not docker["compose_version"] or not all(item["exists"] for item in files):
        return facts
    try:
        config, hashes = project.config(), project.hashes()
    except DockerError as error:
        facts["error"] = str(error)
        return facts
    containers: list[dict[str, Any]] = []
    if docker["running"]:
        try:
            containers = [describe_container(item) for item in project.containers()]
        except DockerError as error:
            facts["error"] = str(error)
    facts["services"] = described(config, containers, hashes)
    return facts


def read_images(image_ids: list[str]) -> dict[str, int]:
    """The size in bytes of each image by id; one that is gone is left out."""
    sizes = {}
    for image in sorted(set(image_ids)):
        try:
            text = run(["docker", "image", "inspect", "--format", "{{.Size}}", image], timeout=30)
            sizes[image] = int(text)
        except (DockerError, ValueError):
            continue
    return sizes


def read_memory(names: list[str]) -> dict[str, int]:
    """The memory in bytes that running containers use now, by the container's name."""
    if not names:
        return {}
    command = ["docker", "stats", "--no-stream", "--format", "{{json .}}", *names]
    try:
        lines = run(command, timeout=60).splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except (DockerError, ValueError):
        return {}
    return {row["Name"]: parse_size(row["MemUsage"].split("/")[0]) for row in rows}


def existing_parent(path: str) -> str:
    """The nearest folder above or at `path` that is there."""
    path = os.path.abspath(path)
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def read_room(path: str) -> dict[str, Any]:
    """The file system on which `path` stands or would be made.

    Returns:
        path, device (equal for two paths of one file system), free and size in bytes, writable.
    """
    there = existing_parent(path)
    figures = os.statvfs(there)
    return {
        "path": path,
        "device": os.stat(there).st_dev,
        "free": figures.f_bavail * figures.f_frsize,
        "size": figures.f_blocks * figures.f_frsize,
        "writable": os.access(there, os.W_OK),
    }


def parse_status(text: str) -> list[dict[str, str]]:
    """Changed files from `git status --porcelain -z`: [{path, status}].

    A renamed file's old name follows it as an entry of its own and is left out.
    """
    parts = [part for part in text.split("\0") if part]
    changes = []
    skip = False
    for part in parts:
        if skip:
            skip = False
            continue
        changes.append({"status": part[:2].strip(), "path": part[3:]})
        skip = part[0] in "RC"
    return changes


def read_git(git: Git) -> dict[str, Any]:
    """The checkout's state.

    Returns:
        checkout (bool), error, sha, branch (None when detached), describe, changes
        ([{path (absolute), status}] of tracked files).
    """
    facts: dict[str, Any] = {
        "checkout": False,
        "error": "",
        "sha": None,
        "branch": None,
        "describe": None,
        "changes": [],
    }
    try:
        top, _prefix = git.top()
        facts["checkout"] = True
        facts["sha"], facts["branch"] = git.head()
        facts["describe"] = git.run("describe", "--always", "--tags").strip()
        status = git.run("status", "--porcelain", "-z", "--untracked-files=no")
        facts["changes"] = [
            {**change, "path": os.path.join(top, change["path"])} for change in parse_status(status)
        ]
    except GitError as error:
        facts["error"] = str(error)
    return facts


def parse_tree(names: list[str]) -> dict[str, Any]:
    """What the names of a release's files tell.

    Returns:
        commands: the management commands of the tree's own applications, sorted.
        task_names: path of celery_task_names.json, None without one.
    """
    commands = set()
    for name in names:
        folder, _slash, base = name.rpartition("/")
        if folder.endswith("management/commands") and base.endswith(".py") and base[0] != "_":
            commands.add(base[:-3])
    mapped = [name for name in names if name.rpartition("/")[2] == "celery_task_names.json"]
    return {"commands": sorted(commands), "task_names": mapped[0] if mapped else None}


def read_target(git: Git, ref: str) -> dict[str, Any]:
    """Whether the target ref is there and can be fetched, and its tree when it is here already.

    Returns:
        ref, name (the full name, None for a bare commit), sha, error, reachable (None: not asked,
        since the commit is here), local (its objects are in the checkout), tree (see
        `parse_tree`, None when it is not here).
    """
    facts: dict[str, Any] = {
        "ref": ref,
        "name": None,
        "sha": None,
        "error": "",
        "reachable": None,
        "local": False,
        "tree": None,
    }
    try:
        refs = git.remote_refs()
        facts["reachable"] = True
        facts["name"] = choose_ref(ref, refs)
        if facts["name"]:
            facts["sha"] = refs[facts["name"]]
        elif re.fullmatch(r"[0-9a-f]{7,40}", ref):
            # A commit: the remote lists none, but one that is here already needs no fetching.
            facts["sha"] = git.commit_of(ref)
        if not facts["sha"]:
            facts["error"] = unknown_ref(ref, git.remote, refs)
            return facts
    except GitError as error:
        facts["reachable"] = bool(facts["reachable"])
        facts["error"] = str(error)
        return facts
    try:
        facts["local"] = git.commit_of(facts["sha"]) is not None
        if facts["local"]:
            listed = git.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", facts["sha"])
            facts["tree"] = parse_tree(listed.split("\0"))
    except GitError as error:
        facts["error"] = str(error)
    return facts


def read_json(path: str) -> dict[str, Any]:
    """A JSON object from a file; empty when it is not there, {"unreadable": True} when broken."""
    try:
        with open(path, encoding="utf-8") as stream:
            document = json.load(stream)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError):
        return {"unreadable": True}
    return document if isinstance(document, dict) else {"unreadable": True}


def read_current(home: str) -> dict[str, Any]:
    """What the current run's manifest says: run_id, state, edited.

    `edited` holds the SHA-256 of the Compose files as that run left them.
    """
    manifest = read_json(os.path.join(home, "current", "manifest.json"))
    files = (manifest.get("compose_services") or {}).get("files") or []
    return {
        "run_id": manifest.get("run_id"),
        "state": manifest.get("state"),
        "edited": [item["sha256_after"] for item in files if item.get("sha256_after")],
    }
