# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Docker and Compose through their command line: arguments as lists, never a shell."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import Any

LABEL_PROJECT = "com.docker.compose.project"
LABEL_SERVICE = "com.docker.compose.service"
LABEL_ONEOFF = "com.docker.compose.oneoff"
# Compose's hash of the model that a container was made from.
LABEL_HASH = "com.docker.compose.config-hash"

# A container's moment of "never", as Docker prints it.
NEVER = "0001-01-01T00:00:00Z"


class DockerError(Exception):
    """A docker command failed; the text is a sentence for the operator."""


def run(
    argv: list[str],
    stdin: str | None = None,
    timeout: float | None = None,
    cwd: str | None = None,
) -> str:
    """Run a command and return its standard output.

    Args:
        argv: the command, one argument an item.
        stdin: text for its standard input; None gives it none.
        timeout: seconds; None waits for ever.
        cwd: the folder in which it runs.

    Raises:
        DockerError: it cannot be started, took too long or ended with another status than 0.
            The text names the command and its last lines on standard error.
    """
    shown = " ".join(argv[:6]) + (" …" if len(argv) > 6 else "")
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            timeout=timeout,
            cwd=cwd,
            check=False,
            text=True,
        )
    except FileNotFoundError:
        where = argv[0] if cwd is None or os.path.isdir(cwd) else cwd
        raise DockerError(
            f"{where} was not found on the host; it was needed to run `{shown}`."
        ) from None
    except subprocess.TimeoutExpired:
        raise DockerError(f"`{shown}` took longer than {timeout:g} s and was given up.") from None
    if done.returncode != 0:
        raise DockerError(
            f"`{shown}` ended with status {done.returncode}: {last_lines(done.stderr)}"
        )
    return done.stdout


def last_lines(text: str, count: int = 8) -> str:
    """The last `count` lines of `text` that are not blank."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-count:]) or "(it printed nothing)"


@dataclass
class ComposeProject:
    """A Compose project on this host: its folder, its name and its files.

    Attributes:
        directory: the project's folder, absolute.
        name: Compose's project name.
        files: Compose files, relative to the folder, in `-f` order.
        env_files: files for `--env-file`, relative to the folder.
    """

    directory: str
    name: str
    files: list[str] = field(default_factory=list)
    env_files: list[str] = field(default_factory=list)

    def argv(self, *arguments: str, overrides: list[str] | None = None) -> list[str]:
        """`docker compose` for this project, followed by `arguments`.

        Args:
            overrides: further Compose files (absolute paths), after the project's own.
        """
        command = ["docker", "compose", "--project-directory", self.directory, "-p", self.name]
        for name in [*self.files, *(overrides or [])]:
            command += ["-f", os.path.join(self.directory, name)]
        for name in self.env_files:
            command += ["--env-file", os.path.join(self.directory, name)]
        return [*command, *arguments]

    def config(self) -> dict[str, Any]:
        """Compose's own reading of the files (`docker compose config`), with all profiles.

        It holds the values of environment variables: it must not leave the module.

        Raises:
            DockerError: the files are not there or not valid.
        """
        text = run(
            self.argv("--profile", "*", "config", "--format", "json"),
            timeout=60,
            cwd=self.directory,
        )
        return json.loads(text)

    def hashes(self) -> dict[str, str]:
        """Compose's hash of each service's model, by service: `up` recreates what has another.

        Raises:
            DockerError: the files are not there or not valid.
        """
        text = run(
            self.argv("--profile", "*", "config", "--hash", "*"), timeout=60, cwd=self.directory
        )
        return dict(line.split() for line in text.splitlines() if line.strip())

    def containers(self) -> list[dict[str, Any]]:
        """`docker inspect` of the project's containers, stopped ones too, one-off ones not.

        Raises:
            DockerError: Docker does not answer.
        """
        ids = run(
            [
                "docker",
                "ps",
                "-aq",
                "--no-trunc",
                "--filter",
                f"label={LABEL_PROJECT}={self.name}",
                "--filter",
                f"label={LABEL_ONEOFF}=False",
            ],
            timeout=60,
        ).split()
        return inspect_containers(ids)


def inspect_containers(ids: list[str]) -> list[dict[str, Any]]:
    """`docker inspect` of containers, in the order of `ids`.

    Raises:
        DockerError: one of them is not there, or Docker does not answer.
    """
    if not ids:
        return []
    return json.loads(run(["docker", "container", "inspect", *ids], timeout=60))


def describe_container(inspected: dict[str, Any]) -> dict[str, Any]:
    """What the project wants to know of a container, without its environment.

    Returns:
        id, name, hostname, service, image_id, started_at (RFC 3339, None when it never ran), state,
        health (None without a health check), restart_count, restart_policy, exit_code,
        config_hash (that of the model that it was made from).
    """
    state = inspected["State"]
    labels = inspected["Config"].get("Labels") or {}
    started = state.get("StartedAt")
    return {
        "id": inspected["Id"],
        "name": inspected["Name"].lstrip("/"),
        "hostname": inspected["Config"].get("Hostname"),
        "service": labels.get(LABEL_SERVICE),
        "image_id": inspected["Image"],
        "started_at": None if started == NEVER else started,
        "state": state["Status"],
        "health": (state.get("Health") or {}).get("Status"),
        "restart_count": inspected.get("RestartCount", 0),
        "restart_policy": (inspected.get("HostConfig", {}).get("RestartPolicy") or {}).get("Name")
        or "no",
        "exit_code": state.get("ExitCode"),
        "config_hash": labels.get(LABEL_HASH),
    }


PROJECT_ARGUMENTS: dict[str, dict[str, Any]] = {
    "project_dir": {"type": "path", "required": True},
    "project_name": {"type": "str", "required": True},
    "files": {"type": "list", "elements": "str", "default": ["docker-compose.yml"]},
    "env_files": {"type": "list", "elements": "str", "default": []},
}


def project_of(params: dict[str, Any]) -> ComposeProject:
    """The project that a module's parameters (`PROJECT_ARGUMENTS`) name."""
    return ComposeProject(
        directory=params["project_dir"],
        name=params["project_name"],
        files=list(params["files"]),
        env_files=list(params["env_files"]),
    )
