"""Progress on the screen, and subprocesses whose output is kept for the case of failure."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

HEARTBEAT_SECONDS = 10.0
TAIL_LINES = 40
_STARTED = time.monotonic()


class TestbedError(Exception):
    """Something a person must see to; its text says what was found and what to do."""

    __test__ = False  # not a test class, whatever pytest thinks of its name


def say(text: str) -> None:
    """Print one progress line with the seconds since the start of this command."""
    print(f"[{time.monotonic() - _STARTED:6.1f} s] {text}", flush=True)


def run(
    command: Sequence[str],
    *,
    stdin: str | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    check: bool = True,
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a short command quietly.

    Args:
        command: Program and arguments; no shell.
        stdin: Text for its standard input.
        env: Variables added to this process's own.
        cwd: Working directory.
        check: Raise when it fails.
        timeout: Seconds after which it is killed.

    Returns:
        The completed process, with ``stdout`` and ``stderr`` as text.

    Raises:
        TestbedError: It failed (with the end of its output), is not installed or timed out.
    """
    try:
        done = subprocess.run(
            list(command),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise TestbedError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise TestbedError(f"no end after {timeout:.0f} s: {' '.join(command)}") from error
    if check and done.returncode:
        raise TestbedError(
            f"exit code {done.returncode}: {' '.join(command)}\n{_tail(done.stdout + done.stderr)}"
        )
    return done


def run_shown(
    title: str,
    command: Sequence[str],
    *,
    stdin: Path | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | str | None = None,
    timeout: float = 1800.0,
) -> None:
    """Run a long command: its title at the start, a sign of life now and then, its time at the end.

    The output goes to a temporary file; the end of it is shown when the command fails.

    Args:
        title: What is being done, for the person watching.
        command: Program and arguments; no shell.
        stdin: File for its standard input.
        env: Variables added to this process's own.
        cwd: Working directory.
        timeout: Seconds after which it is killed.

    Raises:
        TestbedError: It failed or timed out.
    """
    say(title)
    began = time.monotonic()
    with tempfile.TemporaryFile("w+", errors="replace") as log, contextlib.ExitStack() as stack:
        source = stack.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
        try:
            process = subprocess.Popen(
                list(command),
                stdin=source,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
            )
        except FileNotFoundError as error:
            raise TestbedError(f"{command[0]} is not installed") from error
        ended = threading.Event()
        stack.callback(ended.set)
        threading.Thread(target=_heartbeat, args=(title, began, ended), daemon=True).start()
        try:
            code = process.wait(timeout)
        except BaseException as error:
            process.kill()
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise TestbedError(f"no end after {timeout:.0f} s: {' '.join(command)}") from error
            raise
        if code:
            log.seek(0)
            raise TestbedError(f"exit code {code}: {' '.join(command)}\n{_tail(log.read())}")
    seconds = time.monotonic() - began
    if seconds >= HEARTBEAT_SECONDS:
        say(f"{title}: done in {seconds:.0f} s")


@contextlib.contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold a lock of this machine, so that two set-ups at once do each step only once.

    Args:
        name: What is being locked; part of the lock file's name.
    """
    path = Path(tempfile.gettempdir()) / f"cutover-testbed-{os.getuid()}-{name}.lock"
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another run that is busy with: {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def wait_until(what: str, ready, *, timeout: float, interval: float = 0.1) -> None:
    """Poll until something is so.

    Args:
        what: Named in the error.
        ready: Function without arguments; true ends the wait.
        timeout: Seconds.
        interval: Seconds between two looks.

    Raises:
        TestbedError: It was not so in time.
    """
    deadline = time.monotonic() + timeout
    while not ready():
        if time.monotonic() >= deadline:
            raise TestbedError(f"waited {timeout:.0f} s in vain for {what}")
        time.sleep(interval)


def _heartbeat(title: str, began: float, ended: threading.Event) -> None:
    while not ended.wait(HEARTBEAT_SECONDS):
        say(f"{title}: {time.monotonic() - began:.0f} s so far")


def _tail(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])


def fail(error: TestbedError) -> int:
    """Print an error for a person; returns the exit code for it."""
    print(f"testbed: {error}", file=sys.stderr, flush=True)
    return 1
