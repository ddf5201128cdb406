# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Services recreated by Compose, one at a time, with nothing else touched."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import release_images
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    LABEL_HASH,
    LABEL_SERVICE,
    ComposeProject,
    DockerError,
    last_lines,
    run,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_probe import Prober


def needed_by(service: str, services: dict[str, Any]) -> set[str]:
    """The services that a service depends on, directly or through others.

    Args:
        services: the part of that name of `docker compose config --format json`.
    """
    found: set[str] = set()
    waiting = [service]
    while waiting:
        for name in (services.get(waiting.pop()) or {}).get("depends_on") or {}:
            if name not in found:
                found.add(name)
                waiting.append(name)
    return found


def first_disturbed(
    names: set[str],
    services: dict[str, Any],
    project: str,
    hashes: dict[str, str],
    containers: list[dict[str, Any]],
    image_id: Callable[[str], str | None],
) -> str | None:
    """The first of some services that `docker compose up` would recreate or start, None if none.

    Args:
        names: the services.
        services: Compose's reading of all services.
        project: Compose's project name.
        hashes: Compose's hash of each service's model. Where it leaves something out, such as the
            content of an env_file, the service counts as one that is not safe.
        containers: `docker inspect` of the project's containers.
        image_id: the id of an image by its name.
    """
    for name in sorted(names):
        wanted = image_id(services[name].get("image") or f"{project}-{name}")
        own = [item for item in containers if item["Config"]["Labels"].get(LABEL_SERVICE) == name]
        if not own or not all(
            item["State"]["Status"] == "running"
            and item["Config"]["Labels"].get(LABEL_HASH) == hashes.get(name)
            and item["Image"] == wanted
            for item in own
        ):
            return name
    return None


def locked(handle: int) -> bool:
    """Whether the lock on an open folder could be taken."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


class Recreation:
    """The recreation of a project's services, one at a time."""

    def __init__(self, project: ComposeProject, timeout: int) -> None:
        self.project = project
        self.timeout = timeout
        # Services that stay down although others depend on them, and Compose's reading of all.
        self.held: list[str] = []
        self.services: dict[str, Any] = {}
        self.hashes: dict[str, str] = {}
        self.alone: dict[str, str] = {}

    def read(self) -> None:
        """Read what Compose makes of the files."""
        self.services = self.project.config().get("services") or {}
        self.hashes = self.project.hashes()

    def dependencies(self, service: str) -> list[str]:
        """The options that leave alone what a service depends on.

        Without its dependencies a service's model differs, and the next plain `docker compose up`
        would recreate the container: so `--no-deps` only where that is the smaller harm.
        """
        needed = needed_by(service, self.services)
        held = sorted(needed & set(self.held))
        disturbed = first_disturbed(
            needed - set(held),
            self.services,
            self.project.name,
            self.hashes,
            self.project.containers(),
            release_images.image_id,
        )
        if disturbed:
            self.alone[service] = disturbed
            return ["--no-deps"]
        # Compose refuses a scale for a service that it would not have looked at.
        return [option for name in held for option in ("--scale", f"{name}=0")]

    def settle(self, service: str) -> None:
        """Wait for a Compose call that a killed run left behind, and clear what it left undone.

        A container that was created and never started makes the next `up` fail over its name.

        Raises:
            DockerError: that call does not end.
        """
        handle = os.open(self.project.directory, os.O_RDONLY)
        try:
            limit = time.monotonic() + self.timeout
            while not locked(handle):
                if time.monotonic() > limit:
                    raise DockerError(
                        f"Another `docker compose up` of {self.project.directory}, left by a run "
                        f"before this one, has not ended for {self.timeout} s. Look at `docker "
                        "compose ps -a` and end it."
                    )
                time.sleep(0.2)
            leftover = [
                item["Id"]
                for item in self.project.containers()
                if item["State"]["Status"] == "created"
                and item["Config"]["Labels"].get(LABEL_SERVICE) == service
            ]
            if leftover:
                run(["docker", "container", "rm", *leftover], timeout=60)
        finally:
            os.close(handle)

    def recreate(self, service: str, scale: int, force: bool = False) -> None:
        """Bring a service up on the image that its name leads to and wait for its health.

        Raises:
            DockerError: it did not get up; the text holds the last lines of its log.
        """
        self.settle(service)
        options = [*self.dependencies(service), "-d", "--no-build", "--pull", "never", "--wait"]
        options += ["--wait-timeout", str(self.timeout), "--scale", f"{service}={scale}"]
        if force:
            options.append("--force-recreate")
        try:
            run(
                # The lock is Compose's as long as it runs, whatever becomes of this process.
                ["flock", self.project.directory, *self.project.argv("up", *options, service)],
                timeout=self.timeout + 120,
                cwd=self.project.directory,
            )
        except DockerError as error:
            raise DockerError(
                f"The service {service} did not get up on the release's image within "
                f"{self.timeout} s (release_switch_timeout). {error}\nIts log ends with:\n"
                f"{self.log(service)}"
            ) from None

    def log(self, service: str) -> str:
        """The last lines of a service's log, "" when it has none."""
        try:
            argv = self.project.argv("logs", "--no-color", "--tail", "15", service)
            return last_lines(run(argv, timeout=30, cwd=self.project.directory), 15)
        except DockerError as error:
            return str(error)

    def measured(self, service: str, scale: int, url: str, force: bool = False) -> float | None:
        """Recreate a service and return for how many seconds it did not answer."""
        if not url:
            self.recreate(service, scale, force)
            return None
        prober = Prober(url).start()
        try:
            self.recreate(service, scale, force)
        finally:
            gap = prober.stop()
        return gap
