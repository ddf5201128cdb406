"""Golden volumes: a Docker Engine's data folder, ready-made, that new hosts get a copy of.

Loading images into a host takes half a minute, copying a volume a few seconds. There are two,
the second made from the first: one with the base images, one whose build cache has the layers
of the sample application's requirements as well.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from testbed import hosts, images, refs
from testbed.console import TestbedError, only_one, run, say, wait_until

BUILDER = "cutover-golden-builder"
LABEL = "cutover.testbed=golden"
#: Ends the name of the second, empty volume that says that the first is whole.
WHOLE = "-whole"
#: Several checkouts may work on one machine: what another one made today is left to it.
KEPT_FOR = timedelta(days=1)
#: States of the application whose requirements are built.
STATES = ("celery", "django-q")
#: What of a state decides which layers are built.
LAYERS = ("Dockerfile", "requirements")


def ensure() -> str:
    """Make the golden volume be there; returns its name.

    Raises:
        TestbedError: An image could not be made or the application's requirements not installed.
    """
    base_key = hashlib.sha256(
        "\n".join(images.key(name) for name in (*images.STANDARD, images.HOST)).encode()
    ).hexdigest()
    base = f"cutover-golden-base-{base_key[:16]}"
    full_key = hashlib.sha256("\n".join([base_key, *_requirements()]).encode()).hexdigest()
    full = f"cutover-golden-app-{full_key[:16]}"
    if _complete(full):
        return full
    with only_one("golden"):
        if not _complete(base):
            _make(base, None, _load_images)
        if not _complete(full):
            _make(full, base, _build_applications)
        _remove({name for name, age in _ages().items() if age > KEPT_FOR} - {base, full})
    return full


def copy_volume(source: str, target: str) -> None:
    """Copy one volume's files, with all that an overlay file system needs, into another."""
    command = ["docker", "run", "--rm", "--privileged", "--network=none", "--entrypoint=cp"]
    command += [f"--volume={source}:/from:ro", f"--volume={target}:/to"]
    run([*command, images.ensure(images.HOST), "-a", "/from/.", "/to/"], timeout=600)


def remove_all() -> None:
    """Remove every golden volume."""
    run(["docker", "rm", "--force", "--volumes", BUILDER], check=False, timeout=120)
    _remove(set(_ages()))


def _complete(volume: str) -> bool:
    """A volume's name is its content; a second, empty volume says that it is whole."""
    command = ["docker", "volume", "inspect", volume, f"{volume}{WHOLE}"]
    return run(command, check=False).returncode == 0


def _make(volume: str, source: str | None, fill) -> None:
    say(f"making {volume}, from which new hosts are copied")
    run(["docker", "rm", "--force", "--volumes", BUILDER], check=False, timeout=120)
    run(["docker", "volume", "rm", "--force", volume], timeout=120)
    run(["docker", "volume", "create", "--label", LABEL, volume])
    if source:
        copy_volume(source, volume)
    hosts.ensure_network()
    run(hosts.create_command(BUILDER, {"/var/lib/docker": volume}), timeout=120)
    builder = hosts.Host(BUILDER)
    wait_until(
        f"the Docker Engine of {BUILDER}",
        lambda: builder.works("docker", "info"),
        timeout=hosts.READY_SECONDS,
    )
    fill(builder)
    # An orderly end, so that what is copied is a folder at rest.
    run(["docker", "stop", "--time", "60", BUILDER], timeout=120)
    run(["docker", "rm", "--volumes", BUILDER], timeout=120)
    run(["docker", "volume", "create", "--label", LABEL, f"{volume}{WHOLE}"])


def _load_images(builder: hosts.Host) -> None:
    for name in images.STANDARD:
        images.ensure(name)
    load(builder, *images.STANDARD)


def load(host: hosts.Host, *names: str) -> None:
    """Bring images of the testbed into a host, there under their plain names.

    Args:
        host: The host.
        names: Keys of `images.IMAGES`; made first where they are missing.
    """
    tags = [images.ensure(name) for name in names]
    say(f"loading {', '.join(names)} into {host.name}")
    with tempfile.TemporaryFile() as errors:
        save = subprocess.Popen(["docker", "save", *tags], stdout=subprocess.PIPE, stderr=errors)
        taken = subprocess.run(
            ["docker", "exec", "-i", host.name, "docker", "load", "--quiet"],
            stdin=save.stdout,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            timeout=600,
            check=False,
        )
        if save.wait(60) or taken.returncode:
            errors.seek(0)
            raise TestbedError(f"cannot load images into {host.name}: {errors.read().decode()}")
    for name, tag in zip(names, tags, strict=True):
        host.run("docker", "tag", tag, name)
        host.run("docker", "rmi", tag)


def _build_applications(builder: hosts.Host) -> None:
    """Fill the build cache with the requirements of both states of the application."""
    for state in STATES:
        tag = f"warm:{state}"
        with tempfile.TemporaryDirectory() as scratch:
            context = Path(scratch) / "app"
            run(["git", "clone", "--quiet", "--branch", state, str(refs.ensure()), str(context)])
            builder.run("rm", "-rf", "/root/app")
            run(["docker", "cp", "--quiet", str(context), f"{BUILDER}:/root/app"])
        title = f"installing the requirements of the sample application ({state})"
        builder.run_shown(title, "docker", "build", "--progress=plain", f"--tag={tag}", "/root/app")
        builder.run("docker", "rmi", tag)


def _requirements() -> list[str]:
    """Mode, blob and path of each file of both states that decides about layers."""
    repository = str(refs.ensure())
    return [
        run(["git", "-C", repository, "ls-tree", "-r", f"refs/tags/{state}", *LAYERS]).stdout
        for state in STATES
    ]


def _ages() -> dict[str, timedelta]:
    """Golden volume, without the mark of wholeness, to the time since it was begun."""
    listed = run(["docker", "volume", "ls", "--quiet", "--filter", f"label={LABEL}"]).stdout.split()
    if not listed:
        return {}
    template = "{{.Name}} {{.CreatedAt}}"
    lines = run(["docker", "volume", "inspect", "--format", template, *listed]).stdout.splitlines()
    return ages(lines, datetime.now(UTC))


def ages(lines: list[str], now: datetime) -> dict[str, timedelta]:
    """Age of each volume; its mark, a volume of its own, does not count.

    Args:
        lines: Name and time of creation (ISO 8601 with its offset), as Docker prints them.
        now: The time to count back from, with a zone.
    """
    found = (line.split(maxsplit=1) for line in lines)
    return {
        name: now - datetime.fromisoformat(created)
        for name, created in found
        if not name.endswith(WHOLE)
    }


def _remove(volumes: set[str]) -> None:
    """Remove golden volumes, their marks first; one that is being copied stays."""
    for volume in sorted(volumes):
        for name in (f"{volume}{WHOLE}", volume):
            run(["docker", "volume", "rm", name], check=False, timeout=120)
