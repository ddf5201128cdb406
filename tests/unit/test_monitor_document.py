"""Figures against limits, and how they look on a screen."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.monitor_document import (
    monitor_document,
    monitor_text,
)

LIMITS = {
    "min_success_rate": 0.95,
    "max_overdue_schedules": 0,
    "max_connections_share": 0.8,
    "max_queue_age": 300,
    "min_clusters": 1,
}
METRICS: dict[str, Any] = {
    "now": "2026-03-27T12:00:00+00:00",
    "tasks": {
        "succeeded": 98,
        "failed": 2,
        "rate": 0.98,
        "window": 86400,
        "since": "2026-03-26T12:00:00+00:00",
        "whole_window": True,
        "save_limit": 250,
        "failing": [{"func": "reports.tasks.generate_report", "failed": 2}],
    },
    "schedules": {
        "since": "2026-03-26T12:00:00+00:00",
        "rows": [
            {
                "name": "daily",
                "due": 1,
                "run": 1,
                "next_run": "2026-03-28T06:00:00+00:00",
                "late": 0.0,
                "overdue": False,
            }
        ],
        "parked": 1,
        "due": 1,
        "run": 1,
        "overdue": [],
    },
    "queues": [{"name": "air_risk", "due": 3, "later": 1, "oldest": 4.2}],
    "clusters": {
        "visible": True,
        "cache": "django.core.cache.backends.redis.RedisCache",
        "rows": [
            {
                "id": "1",
                "host": "5f2c",
                "status": "Idle",
                "workers": 2,
                "queued": 0,
                "unsaved": 0,
                "reincarnations": 0,
                "uptime": 61.0,
            }
        ],
    },
    "connections": {
        "used": 12,
        "own": 9,
        "idle_in_transaction": 0,
        "max": 100,
        "reserved": 3,
        "share": 0.1237,
    },
}
CONTAINERS = [{"name": "air_risk-web-1", "memory": 73400320}]


def document(**more: Any) -> dict[str, Any]:
    """The document of METRICS with some of its parts replaced."""
    metrics = copy.deepcopy(METRICS)
    for name, values in more.items():
        if isinstance(values, dict) and isinstance(metrics[name], dict):
            metrics[name].update(values)
        else:
            metrics[name] = values
    return monitor_document(metrics, CONTAINERS, LIMITS, "air_risk", {"air_risk-web-1": 62914560})


def past(**more: Any) -> list[str]:
    """The variables of the limits that were passed."""
    return [item["id"] for item in document(**more)["crossed"]]


def test_within_all_limits() -> None:
    assert document()["ok"] is True
    assert past() == []


@pytest.mark.parametrize(
    ("change", "limit"),
    [
        ({"tasks": {"rate": 0.9499}}, "monitor_min_success_rate"),
        ({"schedules": {"overdue": ["daily"]}}, "monitor_max_overdue_schedules"),
        ({"connections": {"share": 0.81}}, "monitor_max_connections_share"),
        (
            {"queues": [{"name": "gis", "due": 1, "later": 0, "oldest": 300.5}]},
            "monitor_max_queue_age",
        ),
        ({"clusters": {"rows": []}}, "monitor_min_clusters"),
    ],
)
def test_each_limit(change: dict[str, Any], limit: str) -> None:
    assert past(**change) == [limit]


@pytest.mark.parametrize(
    "change",
    [
        {"tasks": {"rate": 0.95}},
        {"tasks": {"rate": None}},
        {"connections": {"share": 0.8}},
        {"connections": None},
        {"queues": []},
        {"clusters": {"visible": False, "rows": []}},
    ],
)
def test_at_a_limit_and_without_a_figure_nothing_is_past(change: dict[str, Any]) -> None:
    assert past(**change) == []


def test_all_of_them_at_once_each_with_found_and_limit() -> None:
    found = document(tasks={"rate": 0.5}, schedules={"overdue": ["daily"]}, clusters={"rows": []})
    assert len(found["crossed"]) == 3
    assert found["ok"] is False
    assert "50.0 %" in found["crossed"][0]["found"]
    assert "reports.tasks.generate_report (2)" in found["crossed"][0]["found"]
    assert "95.0 %" in found["crossed"][0]["expected"]


def test_memory_before_and_now_by_container() -> None:
    assert document()["memory"] == {
        "containers": [{"container": "air_risk-web-1", "before": 62914560, "now": 73400320}],
        "before": 62914560,
        "now": 73400320,
    }


def test_text() -> None:
    text = monitor_text(document(tasks={"rate": 0.5}))
    assert "tasks that succeeded  50.0 %  >= 95.0 %   PAST" in text
    assert "overdue schedules" in text
    assert "daily       1    1  2026-03-28T06:00:00  no" in text
    assert "air_risk-web-1  60.0 MiB  70.0 MiB" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_text_of_a_host_where_little_can_be_told() -> None:
    text = monitor_text(
        document(
            tasks={"rate": None, "whole_window": False},
            connections=None,
            queues=[],
            clusters={"visible": False, "rows": []},
        )
    )
    assert "not visible through" in text
    assert "older successes pruned: 250" in text
