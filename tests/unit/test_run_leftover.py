"""What a dead run still does on the host is waited for, by one that comes after it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils import run_leftover

#: Waits for what was started before it, then prints the seconds or why it gave up.
WAITER = """
import sys
import run_leftover
print("looking", flush=True)
try:
    print(run_leftover.wait_for_end(run_leftover.mark(), float(sys.argv[1])), flush=True)
except run_leftover.StillAtWork as error:
    print(error, flush=True)
"""


def marked(value: str, *command: str, **options) -> subprocess.Popen[str]:
    """A process that carries the mark, and so do those that it starts."""
    folder = str(Path(run_leftover.__file__).parent)
    env = {**os.environ, run_leftover.MARK: value, "PYTHONPATH": folder}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True, **options)


@pytest.fixture
def leftover(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A module of a dead run: a shell whose child is at work until it is ended."""
    process = marked(str(tmp_path), "sh", "-c", "sleep 300; :", start_new_session=True)
    yield process
    subprocess.run(["pkill", "-KILL", "-s", str(process.pid)], check=False)
    process.wait(10)


def waiter(value: str, timeout: float) -> subprocess.Popen[str]:
    # As Ansible starts a module: below a shell that carries the mark as well.
    command = f'"{sys.executable}" -c "$1" "$2"; :'
    return marked(value, "sh", "-c", command, "sh", WAITER, str(timeout))


def test_nothing_is_waited_for_where_nothing_is_left(tmp_path: Path) -> None:
    output, _ = waiter(str(tmp_path), 5).communicate(timeout=30)
    assert float(output.splitlines()[1]) < 5


def test_a_leftover_is_waited_for_until_it_ends(
    tmp_path: Path, leftover: subprocess.Popen[str]
) -> None:
    waiting = waiter(str(tmp_path), 60)
    assert waiting.stdout is not None
    assert waiting.stdout.readline() == "looking\n"
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(1)
    subprocess.run(["pkill", "-KILL", "-s", str(leftover.pid)], check=True)
    output, _ = waiting.communicate(timeout=30)
    assert float(output) > 0


def test_one_that_does_not_end_is_named(tmp_path: Path, leftover: subprocess.Popen[str]) -> None:
    output, _ = waiter(str(tmp_path), 0.5).communicate(timeout=30)
    assert f"process {leftover.pid}: sh -c sleep 300" in output
    assert str(tmp_path) in output
    assert "run_record_takeover_timeout" in output


def test_another_deployment_is_nobodys_business(
    tmp_path: Path, leftover: subprocess.Popen[str]
) -> None:
    output, _ = waiter(f"{tmp_path}-other", 0.5).communicate(timeout=30)
    assert float(output.splitlines()[1]) < 0.5


def test_two_that_wait_do_not_wait_for_each_other(
    tmp_path: Path, leftover: subprocess.Popen[str]
) -> None:
    first = waiter(str(tmp_path), 60)
    assert first.stdout is not None
    assert first.stdout.readline() == "looking\n"
    second = waiter(str(tmp_path), 60)
    assert second.stdout is not None
    assert second.stdout.readline() == "looking\n"
    subprocess.run(["pkill", "-KILL", "-s", str(leftover.pid)], check=True)
    for waiting in (first, second):
        output, _ = waiting.communicate(timeout=30)
        assert float(output) > 0


def test_without_a_mark_nothing_is_looked_for() -> None:
    assert run_leftover.wait_for_end("", 0) == 0.0
