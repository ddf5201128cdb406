"""Disposable Docker hosts: privileged containers with a Docker Engine of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import golden, images, machine
from testbed.console import TestbedError, run, run_shown, say, wait_until

NETWORK = "cutover-net"
OWNER_LABEL = "cutover.testbed=host"
#: Folder in the host to the end of its volume's name.
VOLUMES = {"/var/lib/docker": "docker", "/srv": "srv", "/var/lib/cutover": "state"}
READY_SECONDS = 60.0


@dataclass(frozen=True)
class Host:
    """A host by its name, which is its container's name too."""

    name: str

    def __post_init__(self) -> None:
        """Refuse a name that is none for a container."""
        if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", self.name):
            raise TestbedError(f"not a container's name: {self.name!r}")

    def run(
        self,
        *command: str,
        stdin: str | None = None,
        check: bool = True,
        timeout: float | None = 300.0,
    ) -> str:
        """Run a command in the host; returns its standard output without the last newline.

        Raises:
            TestbedError: It failed, unless `check` is off.
        """
        full = self._exec(command, stdin is not None)
        return run(full, stdin=stdin, check=check, timeout=timeout).stdout.rstrip("\n")

    def works(self, *command: str) -> bool:
        """Whether a command in the host exits 0."""
        return run(self._exec(command, False), check=False, timeout=60).returncode == 0

    def run_shown(self, title: str, *command: str, stdin: Path | None = None) -> None:
        """Run a long command in the host with progress lines."""
        run_shown(title, self._exec(command, stdin is not None), stdin=stdin)

    def compose(self, project_dir: str, *arguments: str) -> tuple[str, ...]:
        """A `docker compose` command for the project of a folder in the host."""
        return ("docker", "compose", "--project-directory", project_dir, *arguments)

    def volume(self, kind: str) -> str:
        """Name of one of its volumes; `kind` is a value of `VOLUMES`."""
        return f"{self.name}-{kind}"

    def _exec(self, command: Sequence[str], interactive: bool) -> list[str]:
        return ["docker", "exec", *(["-i"] if interactive else []), self.name, *command]


def up(name: str) -> Host:
    """Bring a host up: a new one, or the one there is, started if it was stopped.

    Args:
        name: Container name.

    Returns:
        The host; its Docker Engine answers and has the base images.

    Raises:
        TestbedError: It does not come up; or a container of the name is none of ours.
    """
    host = Host(name)
    state = container_state(name)
    if state and not _is_ours(name):
        raise TestbedError(f"there is a container {name} that is no host of this testbed")
    if state == "running":
        pass
    elif state:
        say(f"starting the host {name}")
        run(["docker", "start", name])
    else:
        _create(host)
    wait_until(
        f"the Docker Engine of {name} (see `docker logs {name}`)",
        lambda: host.works("docker", "info"),
        timeout=READY_SECONDS,
    )
    return host


def remove(name: str) -> None:
    """Remove a host with everything in it; none is fine too."""
    host = Host(name)
    if container_state(name):
        if not _is_ours(name):
            raise TestbedError(f"there is a container {name} that is no host of this testbed")
        say(f"removing the host {name}")
        run(["docker", "rm", "--force", "--volumes", name], timeout=120)
    for kind in VOLUMES.values():
        run(["docker", "volume", "rm", "--force", host.volume(kind)], timeout=120)


def names() -> list[str]:
    """The hosts that exist, running or not."""
    command = ["docker", "ps", "--all", "--filter", f"label={OWNER_LABEL}"]
    return run([*command, "--format", "{{.Names}}"]).stdout.split()


def cut(name: str) -> None:
    """Take a host off every network; `docker exec`, and so Ansible, still reach it."""
    for network in networks(name):
        run(["docker", "network", "disconnect", network, name])


def join(name: str) -> None:
    """Put a host that was cut off back on its network."""
    if NETWORK not in networks(name):
        ensure_network()
        run(["docker", "network", "connect", NETWORK, name])


def networks(name: str) -> list[str]:
    """Networks of this machine that a host is on."""
    template = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}"
    return run(["docker", "inspect", "--format", template, name]).stdout.split()


def container_state(name: str) -> str:
    """Docker's word for a container's state, such as ``running``; empty when there is none."""
    done = run(["docker", "inspect", "--format", "{{.State.Status}}", name], check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def ensure_network() -> None:
    """Make the network that all hosts are on."""
    if run(["docker", "network", "inspect", NETWORK], check=False).returncode:
        done = run(["docker", "network", "create", NETWORK], check=False)
        if done.returncode and "already exists" not in done.stderr:
            raise TestbedError(f"cannot create the network {NETWORK}: {done.stderr.strip()}")


def create_command(name: str, volumes: dict[str, str]) -> list[str]:
    """The command that starts a host's container.

    Args:
        name: Container name.
        volumes: Folder in the host to volume name.
    """
    command = ["docker", "run", "--detach", "--privileged", "--name", name, "--hostname", name]
    command += ["--label", OWNER_LABEL, "--network", NETWORK, "--restart", "unless-stopped"]
    command += [f"--dns={server}" for server in machine.dns_servers()]
    command += [f"--volume={volume}:{folder}" for folder, volume in volumes.items()]
    return [*command, images.ensure(images.HOST)]


def _create(host: Host) -> None:
    ensure_network()
    source = golden.ensure()
    say(f"creating the host {host.name}")
    # A volume without its container is what an interrupted copy left.
    for kind in VOLUMES.values():
        run(["docker", "volume", "rm", "--force", host.volume(kind)], timeout=120)
        run(["docker", "volume", "create", "--label", OWNER_LABEL, host.volume(kind)])
    golden.copy_volume(source, host.volume(VOLUMES["/var/lib/docker"]))
    volumes = {folder: host.volume(kind) for folder, kind in VOLUMES.items()}
    run(create_command(host.name, volumes), timeout=120)


def _is_ours(name: str) -> bool:
    label, _, value = OWNER_LABEL.partition("=")
    template = f'{{{{index .Config.Labels "{label}"}}}}'
    found = run(["docker", "inspect", "--format", template, name], check=False).stdout.strip()
    return found == value
