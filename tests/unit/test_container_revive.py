"""What is started again, and what is left down."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.modules.container_revive import (
    down,
    given_back,
    unwell,
)


def container(service: str, state: str = "running", **values: Any) -> dict[str, Any]:
    """A container as `describe_container` tells it."""
    found = {"id": f"{service}-{state}", "name": service, "service": service, "state": state}
    found.update(health=None, restart_policy="unless-stopped", started_at="2026-01-01T00:00:00Z")
    return {**found, **values}


def test_what_is_up_is_left_alone() -> None:
    assert down([container("web"), container("web", "exited")], {"web": 1}) == []
    assert down([container("web", "restarting")], {"web": 1}) == []


def test_as_many_are_started_as_ran() -> None:
    old = container("worker", "exited", started_at="2026-01-01T00:00:00Z")
    new = container("worker", "exited", started_at="2026-01-02T00:00:00Z")
    assert down([old, container("worker"), new], {"worker": 2}) == [new]


@pytest.mark.parametrize(
    ("state", "started"), [("exited", True), ("paused", True), ("created", False), ("dead", False)]
)
def test_what_was_never_started_is_left_to_compose(state: str, started: bool) -> None:
    assert bool(down([container("web", state)], {"web": 1})) == started


def test_a_service_that_did_not_run_is_left_down() -> None:
    assert down([container("job", "exited")], {"web": 1}) == []


@pytest.mark.parametrize(
    ("state", "now", "before", "wanted"),
    [
        ("exited", "no", "unless-stopped", "unless-stopped"),
        ("exited", "no", "on-failure", "on-failure"),
        ("running", "no", "on-failure", "unless-stopped"),
        ("running", "no", "always", "always"),
        ("running", "no", "no", ""),
        ("running", "unless-stopped", "always", ""),
        ("exited", "no", "", ""),
    ],
)
def test_a_suspended_restart_policy_is_given_back(
    state: str, now: str, before: str, wanted: str
) -> None:
    assert given_back(container("worker", state, restart_policy=now), before) == wanted


def test_what_is_not_up_yet_is_named() -> None:
    containers = [container("db", health="starting"), container("redis", health="healthy")]
    scales = {"db": 1, "redis": 1, "queue": 1}
    assert unwell(containers, scales, ["redis"]) == []
    assert unwell(containers, scales, ["db", "queue"]) == ["db is starting", "queue is not there"]
