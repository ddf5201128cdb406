"""Docker Engine with Compose v2: installed where absent, started where not running."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from testbed.console import TestbedError, only_one, run, run_shown, say, wait_until
from testbed.machine import (
    AptSource,
    apt_install,
    debian_archive,
    os_release,
    require_root_and_apt,
)

APT = Path("/etc/apt")
PACKAGES = ("docker.io", "docker-cli", "docker-compose", "docker-buildx")
UBUNTU_PACKAGES = ("docker.io", "docker-compose-v2", "docker-buildx")
BY_HAND = "install Docker Engine with the Compose v2 plugin and see that `docker info` works"
LOG = Path("/var/log/cutover-dockerd.log")
START_SECONDS = 60.0


def ensure() -> None:
    """Make `docker info` and `docker compose version` work.

    Raises:
        TestbedError: They do not and cannot be made to; says what to do.
    """
    if _running() and _compose_works():
        return
    with only_one("engine"):
        if not (_has_engine() and _compose_works()):
            _install()
        if not _running():
            _start()
        if not _compose_works():
            raise TestbedError(f"`docker compose version` does not work: {BY_HAND}")


def _running() -> bool:
    if shutil.which("docker") is None:
        return False
    return run(["docker", "info"], check=False, timeout=30).returncode == 0


def _has_engine() -> bool:
    here = shutil.which("docker") is not None
    return here and (shutil.which("dockerd") is not None or _running())


def _compose_works() -> bool:
    if shutil.which("docker") is None:
        return False
    done = run(["docker", "compose", "version", "--short"], check=False)
    return done.returncode == 0 and done.stdout.strip().lstrip("v").split(".")[0] >= "2"


def _install() -> None:
    require_root_and_apt("Docker Engine with Compose v2 is not here", BY_HAND)
    release = os_release()
    packages = UBUNTU_PACKAGES if release.get("ID") == "ubuntu" else PACKAGES
    if release.get("ID") == "debian" and release.get("VERSION_ID") == "12":
        archive = debian_archive()
        if archive is None:
            raise TestbedError(f"apt's sources name no archive of Debian 12: {BY_HAND}")
        _pin_trixie(archive)
    run_shown("reading apt's package lists", ["apt-get", "update"])
    run_shown(
        f"installing {', '.join(packages)}",
        apt_install(*packages, "iptables"),
        # A package's own start of the daemon is not wanted where there is no init system.
        env={"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"},
    )


def _pin_trixie(archive: AptSource) -> None:
    """Let Debian 12 take Docker, and nothing else, from Debian 13.

    Debian 12's own Compose is version 1. Everything else of Debian 13 gets a priority below
    that of what is installed.
    """
    signed = f"Signed-By: {archive.signed_by}\n" if archive.signed_by else ""
    (APT / "sources.list.d/cutover-trixie.sources").write_text(
        "# Docker Engine with Compose v2, for the testbed of cutover.django_q\n"
        f"Types: deb\nURIs: {archive.uri}\nSuites: trixie\nComponents: main\n{signed}",
        encoding="utf-8",
    )
    (APT / "preferences.d/cutover-trixie").write_text(
        "Package: *\nPin: release n=trixie\nPin-Priority: 100\n\n"
        f"Package: {' '.join(PACKAGES)}\nPin: release n=trixie\nPin-Priority: 600\n",
        encoding="utf-8",
    )


def _start() -> None:
    require_root_and_apt("the Docker daemon does not run", "start it")
    say("starting the Docker daemon")
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "docker"], timeout=START_SECONDS)
    else:
        _forget_stale_pid()
        with LOG.open("ab") as log:
            subprocess.Popen(
                ["setsid", "dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd="/",
            )
    try:
        wait_until("the Docker daemon", _running, timeout=START_SECONDS, interval=0.3)
    except TestbedError as error:
        last = LOG.read_text(errors="replace").splitlines()[-15:] if LOG.is_file() else []
        raise TestbedError("\n".join([f"{error}; its last words ({LOG}):", *last])) from error


def _forget_stale_pid(path: Path = Path("/var/run/docker.pid")) -> None:
    """Remove the pid file of a daemon that was killed: a reused number would stop the new one."""
    try:
        pid = int(path.read_text())
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (OSError, ValueError):
        name = ""
    if name != "dockerd" and os.path.lexists(path):
        path.unlink()
