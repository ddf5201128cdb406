"""What the preflight says of the end of the workers: how long it may take, what it will do."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils import preflight_rules_drain
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_findings import Judgement

NOW = "2026-01-01T10:00:00+00:00"
SOON, LATER = "2026-01-01T10:05:00+00:00", "2026-01-01T12:00:00+00:00"


def task(**values: Any) -> dict[str, Any]:
    known = {"id": "7b3c", "task": "app.work", "queue": "gis", "eta": None, "seconds": None}
    return {**known, **values}


def celery(transport: str = "amqp", **values: Any) -> dict[str, Any]:
    return {
        "time": NOW,
        "broker": {"transport": transport, "delayed": 0},
        "queues": {"gis": {"ready": 0, "unacked": 0}},
        "consumed": {"celery@1": ["gis"]},
        "active": {"celery@1": []},
        "reserved": {"celery@1": []},
        "scheduled": {"celery@1": []},
        "time_limits": {"task_time_limit": None, "tasks": {}},
        **values,
    }


def findings(state: dict[str, Any], timeout: int = 3600, move: bool = True) -> Judgement:
    found = Judgement()
    preflight_rules_drain.judge_drain(found, state, {"drain": {"timeout": timeout, "move": move}})
    return found


def only(found: Judgement, identifier: str) -> dict[str, str]:
    (item,) = [item for item in found.findings if item["id"] == identifier]
    return item


def test_redis_with_time_enough_is_nothing_to_speak_of() -> None:
    found = findings(celery("redis", scheduled={"celery@1": [task(eta=LATER)]}))
    assert (found.findings, found.unchecked) == ([], [])


@pytest.mark.parametrize("transport", preflight_rules_drain.RABBITMQ)
def test_of_rabbitmq_it_says_beforehand_what_will_happen(transport: str) -> None:
    state = celery(
        transport,
        queues={"gis": {"ready": 7, "unacked": 0}},
        active={"celery@1": [task(seconds=2.0)]},
        scheduled={"celery@1": [task(eta=SOON)]},
    )
    found = findings(state)
    item = only(found, "broker_transport")
    assert item["level"] == "warning"
    assert "7 messages wait, workers hold 2, the last one due at " + SOON in item["found"]
    assert "celery_drain_timeout (3600 s)" in item["fix"]
    assert not found.blocked
    assert "countdowns of 7 messages" in found.unchecked[0]["what"]


def test_what_rabbitmq_delays_itself_waits_as_well() -> None:
    found = findings(celery(broker={"transport": "amqp", "delayed": 4}))
    assert "4 messages wait" in only(found, "broker_transport")["found"]


def test_another_broker_is_refused() -> None:
    assert only(findings(celery("sqs")), "broker_transport")["level"] == "error"


@pytest.mark.parametrize(
    ("state", "move"), [(celery(), True), (celery("redis"), False)], ids=["rabbitmq", "no move"]
)
class TestNothingIsMoved:
    """With RabbitMQ, and where the operator does not want it."""

    def test_a_countdown_that_outlives_the_drain_is_refused(self, state, move) -> None:
        late = {**state, "scheduled": {"celery@1": [task(eta=LATER), task(id="ok", eta=SOON)]}}
        item = only(findings(late, move=move), "countdown_outlives_drain")
        assert item["level"] == "error"
        assert f"app.work (7b3c) due at {LATER}" in item["found"]
        assert "(ok)" not in item["found"]

    def test_it_is_fine_with_more_time(self, state, move) -> None:
        late = {**state, "scheduled": {"celery@1": [task(eta=LATER)]}}
        assert not findings(late, timeout=8000, move=move).blocked

    @pytest.mark.parametrize("consumed", [{"celery@1": ["default"]}, None])
    def test_a_queue_that_nobody_empties_is_refused(self, state, move, consumed) -> None:
        queues = {"gis": {"ready": 1, "unacked": 0}, "old": {"ready": 0, "unacked": 0}}
        found = findings({**state, "queues": queues, "consumed": consumed}, move=move)
        assert "'gis'" in only(found, "queue_not_consumed")["found"]
        assert "'old'" not in str(found.findings)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"active": {"celery@1": [task(seconds=70.0)]}}, "app.work has run for 70 s"),
        ({"time_limits": {"task_time_limit": 120, "tasks": {}}}, "a task may take 120 s"),
        ({"time_limits": {"task_time_limit": 5, "tasks": {"app.long": 60}}}, "app.long may take"),
    ],
)
def test_a_task_longer_than_the_drain_is_a_warning(values: dict[str, Any], words: str) -> None:
    item = only(findings(celery("redis", **values), timeout=60), "drain_timeout_short")
    assert item["level"] == "warning"
    assert words in item["found"]
    assert not [item for item in findings(celery("redis", **values), timeout=121).findings if item]


@pytest.mark.parametrize(
    ("mounted", "transport", "refused"),
    [(True, "amqp", True), (True, "redis", False), (False, "amqp", False)],
)
def test_mounted_code_needs_a_broker_that_can_be_moved_from(mounted, transport, refused) -> None:
    found = Judgement()
    preflight_rules_drain.judge_mounted(found, mounted, celery(transport))
    assert found.has("code_mounted_with_rabbitmq") == refused
