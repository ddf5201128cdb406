"""The callback of the crash matrix: it lists tasks and ends ansible-playbook at one of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from testbed.crash import points, stage

PLAYBOOK = """
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - ansible.builtin.set_fact: {{ one: 1 }}
- hosts: localhost
  connection: local
  gather_facts: false
  tasks:
    - name: First
      ansible.builtin.command: touch {folder}/first
    - name: Left out
      ansible.builtin.command: touch {folder}/never
      when: false
    - name: Second
      ansible.builtin.shell: touch {folder}/second; sleep 60; touch {folder}/late
"""


def play(folder: Path, text: str, env: dict[str, str]) -> int:
    """Run a playbook with the callback; its exit status, negative for a signal."""
    path = folder / "playbook.yml"
    path.write_text(text, encoding="utf-8")
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", str(path)]
    done = subprocess.run(
        [*command, "-e", f"ansible_python_interpreter={sys.executable}"],
        env={**os.environ, **env},
        cwd=folder,
        capture_output=True,
        timeout=60,
        check=False,
    )
    return done.returncode


@pytest.fixture
def text(tmp_path: Path) -> str:
    return PLAYBOOK.format(folder=tmp_path)


def point(play: int, task: int) -> points.Point:
    return points.Point(play, task, "x", "x.yml:1", "command", "", False, 1.0)


def test_an_undisturbed_run_lists_its_tasks(tmp_path: Path, text: str) -> None:
    listing = tmp_path / "listing"
    quick = text.replace("sleep 60; ", "")
    assert play(tmp_path, quick, stage.crash_env(listing)) == 0
    found = points.read_listing(listing)
    assert [(item.play, item.task) for item in found] == [(1, 1), (2, 1), (2, 2), (2, 3)]
    assert [item.name for item in found][1:] == ["First", "Left out", "Second"]
    assert [item.idle for item in found] == [True, False, True, False]
    assert (tmp_path / "late").exists()


def test_it_dies_before_the_task_is_reached(tmp_path: Path, text: str) -> None:
    assert play(tmp_path, text, stage.crash_env(None, point(2, 3))) == -signal.SIGKILL
    assert (tmp_path / "first").exists()
    assert not (tmp_path / "second").exists()


def test_it_dies_in_the_middle_of_a_task_with_all_below_it(tmp_path: Path, text: str) -> None:
    assert play(tmp_path, text, stage.crash_env(None, point(2, 3), after=1)) == -signal.SIGKILL
    assert (tmp_path / "first").exists()
    assert not (tmp_path / "late").exists()
