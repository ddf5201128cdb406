"""A host's whole state, saved in volumes of its own and brought back from them.

Of a Docker Engine's folder nearly all stays the same from one test to the next, so that bringing it
back copies what differs in size or time alone: a second or two in place of the copy of everything.
"""

from __future__ import annotations

from testbed import hosts, images
from testbed.console import run, wait_until
from testbed.deploy import HEALTH

LABEL = "cutover.testbed=saved"
STOP_SECONDS = 90
UP_SECONDS = 120.0


def save(host: hosts.Host, state: str) -> None:
    """Save how a host stands under a name; the host is stopped for it and started again.

    Docker is ended in order, so that its containers come back by themselves. All of them are to
    run in a state that is saved.

    Args:
        host: The host.
        state: Name of the state; what was saved under it is replaced.
    """
    run(["docker", "stop", "--time", str(STOP_SECONDS), host.name], timeout=STOP_SECONDS + 30)
    run(["docker", "volume", "rm", "--force", _mark(state)], timeout=60)
    for kind in hosts.VOLUMES.values():
        run(["docker", "volume", "create", "--label", LABEL, _volume(state, kind)])
        _copy(host.volume(kind), _volume(state, kind))
    run(["docker", "volume", "create", "--label", LABEL, _mark(state)])
    _start(host)


def exists(state: str) -> bool:
    """Whether a state was saved whole."""
    return run(["docker", "volume", "inspect", _mark(state)], check=False).returncode == 0


def bring_back(host: hosts.Host, state: str) -> None:
    """Make a host stand as it was saved, whatever became of it, and wait for its application.

    Args:
        host: The host; made where there is none.
        state: Name of a saved state.

    Raises:
        TestbedError: Docker or the application did not come up.
    """
    if not hosts.container_state(host.name):
        hosts.up(host.name)
    # What runs in it is thrown away.
    run(["docker", "kill", host.name], check=False, timeout=60)
    for kind in hosts.VOLUMES.values():
        _copy(_volume(state, kind), host.volume(kind))
    _start(host)


def remove(prefix: str = "") -> None:
    """Remove the saved states whose name begins so; all of them without a prefix."""
    command = ["docker", "volume", "ls", "--quiet", "--filter", f"label={LABEL}"]
    for name in run(command).stdout.split():
        if name.startswith(f"cutover-saved-{prefix}"):
            run(["docker", "volume", "rm", "--force", name], timeout=120)


def _volume(state: str, kind: str) -> str:
    return f"cutover-saved-{state}-{kind}"


def _mark(state: str) -> str:
    """A second, empty volume says that the others are whole."""
    return f"cutover-saved-{state}-whole"


def _copy(source: str, target: str) -> None:
    """Make one volume like another, with all that an overlay file system needs."""
    command = ["docker", "run", "--rm", "--privileged", "--network=none", "--entrypoint=rsync"]
    command += [f"--volume={source}:/from:ro", f"--volume={target}:/to"]
    options = ["-aHAX", "--numeric-ids", "--delete", "--whole-file", "/from/", "/to/"]
    run([*command, images.ensure(images.HOST), *options], timeout=600)


def _start(host: hosts.Host) -> None:
    run(["docker", "start", host.name], timeout=120)
    wait_until(
        f"the Docker Engine of {host.name}",
        lambda: host.works("docker", "info"),
        timeout=hosts.READY_SECONDS,
        interval=0.2,
    )
    # `restart: on-failure` leaves down what ended in order.
    ended = host.run("docker", "ps", "--all", "--quiet", "--filter", "status=exited").split()
    if ended:
        host.run("docker", "start", *ended)
    wait_until(
        f"the application of {host.name}",
        lambda: host.works("curl", "-fsS", HEALTH),
        timeout=UP_SECONDS,
        interval=0.2,
    )
