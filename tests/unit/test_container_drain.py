"""SIGTERM is sent when it reaches the process: not to a first process without a handler."""

from __future__ import annotations

import os
import signal

import pytest
from ansible_collections.cutover.django_q.plugins.modules import container_drain

TERM = f"{1 << (signal.SIGTERM - 1):016x}"
NONE = f"{0:016x}"


@pytest.mark.parametrize(
    ("pids", "caught", "blocked", "reached"),
    [
        ("4711\t1", NONE, NONE, False),
        ("4711\t1", TERM, NONE, True),
        ("4711\t1", NONE, TERM, True),
        ("4711\t7", NONE, NONE, True),
        ("1", NONE, NONE, True),
    ],
)
def test_a_first_process_needs_a_handler(
    pids: str, caught: str, blocked: str, reached: bool
) -> None:
    status = (
        f"Name:\tpython\nNSpid:\t{pids}\nSigBlk:\t{blocked}\nSigIgn:\t{NONE}\nSigCgt:\t{caught}\n"
    )
    assert container_drain.takes_sigterm(status) is reached


def test_a_process_that_is_gone_is_not_waited_for() -> None:
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    assert container_drain.await_handler(gone) == gone
