"""When SIGTERM may be sent to a worker, and to which ones."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.app import (
    celery_abandoned,
    celery_quiesce,
)

NOW = 1_000_000.0


def running(seconds: float | None) -> dict[str, Any]:
    """A task that has run for some seconds, as a worker tells it; None: not yet known."""
    return {"id": "a", "time_start": None if seconds is None else NOW - seconds}


@pytest.mark.parametrize(
    ("active", "reserved", "wanted"),
    [
        ([], [], False),
        ([running(1)], [], False),
        ([], [{}], True),
        ([running(60)], [{}], True),
        ([running(60), running(1)], [{}], True),
        ([running(60), running(None)], [{}], True),
        ([running(60), running(6)], [{}], False),
    ],
)
def test_a_task_may_begin_where_a_process_may_be_free(
    active: list[dict[str, Any]], reserved: list[dict[str, Any]], wanted: bool
) -> None:
    assert celery_quiesce.about_to_begin(active, reserved, 2, NOW) is wanted


@pytest.mark.parametrize(
    ("nodes", "hosts", "wanted"),
    [
        (["celery@a", "celery@b", "gis@a"], ["a"], ["celery@a", "gis@a"]),
        (["one@x", "two@y"], ["a", "b"], ["one@x", "two@y"]),
        (["one@x", "two@y"], ["a"], []),
    ],
)
def test_workers_of_others_are_left_alone(
    nodes: list[str], hosts: list[str], wanted: list[str]
) -> None:
    assert celery_quiesce.of_hosts(nodes, hosts) == wanted


def test_dockers_moments_are_read_to_the_second() -> None:
    assert celery_abandoned.moment_of("1970-01-01T00:01:00.987654321Z") == 60.0
