# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Numbers the tasks of a playbook and ends ansible-playbook by force at one of them."""

from __future__ import annotations

DOCUMENTATION = r"""
name: crash_point
type: aggregate
short_description: Numbers the tasks of a playbook and ends ansible-playbook by force at one of them
description:
  - A test's tool. It is loaded only where C(ANSIBLE_CALLBACK_PLUGINS) and
    C(ANSIBLE_CALLBACKS_ENABLED) say so.
  - It sends SIGKILL to ansible-playbook and to all of its descendants. What a module does on the
    host goes on there, as after the death of a control node.
requirements:
  - a control node with C(/proc)
options:
  listing:
    description: File that gets one line of JSON for each task as it starts and one as it ends.
    type: str
    env:
      - name: CRASH_POINT_LISTING
    default: ""
  play:
    description: Number of the play with that task, from 1.
    type: int
    env:
      - name: CRASH_POINT_PLAY
    default: 0
  task:
    description: Number within its play of the task at whose start everything ends; 0 ends nothing.
    type: int
    env:
      - name: CRASH_POINT_TASK
    default: 0
  after:
    description: Seconds after that start; with 0 the task itself is not reached.
    type: float
    env:
      - name: CRASH_POINT_AFTER
    default: 0
"""

import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from ansible.plugins.callback import CallbackBase


def descendants(pid: int) -> list[int]:
    """A process's children and theirs: ansible-playbook's workers have sessions of their own."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = [int(item) for item in path.read_text().split()]
        except OSError:
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def end_everything() -> None:
    """End this process and its descendants by force, itself last."""
    for pid in descendants(os.getpid()):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    os.kill(os.getpid(), signal.SIGKILL)


class CallbackModule(CallbackBase):
    """Counts tasks as they start, in the order in which they start."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "crash_point"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Start to count."""
        super().__init__(*args, **kwargs)
        self._play = 0
        self._task = 0

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Number the play; its tasks count from 1."""
        self._play += 1
        self._task = 0

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Number the task; end everything where it is the one."""
        self._task += 1
        path, _, line = (task.get_path() or "").rpartition(":")
        self._write(
            play=self._play,
            task=self._task,
            name=task.get_name().strip(),
            path=path,
            line=int(line or 0),
            action=task.resolved_action or task.action,
            script=str(task.args.get("script", "")),
        )
        if (self._play, self._task) != (self.get_option("play"), self.get_option("task")):
            return
        if self.get_option("after"):
            timer = threading.Timer(self.get_option("after"), end_everything)
            timer.daemon = True
            timer.start()
        else:
            end_everything()

    def v2_playbook_on_include(self, included_file: Any) -> None:
        """An include has no result of its own."""
        self._ended("ok", False)

    def v2_runner_on_ok(self, result: Any) -> None:
        """Note that the task did what it was asked."""
        self._ended("ok", bool(result._result.get("changed")))

    def v2_runner_on_skipped(self, result: Any) -> None:
        """Note that the task did nothing."""
        self._ended("skipped", False)

    def v2_runner_on_failed(self, result: Any, ignore_errors: bool = False) -> None:
        """Note that the task failed."""
        self._ended("failed", bool(result._result.get("changed")))

    def _ended(self, outcome: str, changed: bool) -> None:
        self._write(play=self._play, task=self._task, outcome=outcome, changed=changed)

    def _write(self, **line: Any) -> None:
        if self.get_option("listing"):
            line["at"] = time.time()
            with open(self.get_option("listing"), "a", encoding="utf-8") as stream:
                stream.write(json.dumps(line) + "\n")
