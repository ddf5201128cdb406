"""The checker of the load tests must see every fault that it is there for: they are injected."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.load import checker

BEGIN = datetime(2026, 3, 1, 10, 0, tzinfo=UTC).timestamp()
TICK = "reports.tasks.tick"


def accepted(number: int, countdown: float = 0.0, status: int | None = 202) -> dict[str, Any]:
    """A line of the producer: one submission a second."""
    sent = BEGIN + number
    return {
        "uid": f"load-{number}",
        "task": "air_quality.tasks.test_task",
        "queue": "gis",
        "seconds": 0.1,
        "countdown": countdown,
        "sent_at": sent,
        "answered_at": sent + 0.01,
        "status": status,
        "error": "",
    }


def execution(number: int, after: float = 0.5, **more: Any) -> dict[str, Any]:
    """A row of the ledger, `after` seconds after the submission."""
    start = BEGIN + number + after
    return {
        "uid": f"load-{number}",
        "task": "air_quality.tasks.test_task",
        "engine": "django_q",
        "started_at": start,
        "finished_at": start + 0.1,
        **more,
    }


def tick(minute: float, after: float = 2.0) -> dict[str, Any]:
    """A run of the one-minute schedule."""
    return execution(
        0,
        uid=f"auto-{minute}-{after}",
        task=TICK,
        started_at=BEGIN + minute * 60 + after,
        finished_at=BEGIN + minute * 60 + after + 0.1,
    )


def iso(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the ledger prints it."""
    times = {name: row[name] and checker.utc(row[name]) for name in ("started_at", "finished_at")}
    return {**row, **times}


SUBMITTED = [accepted(number, countdown=5.0 if number % 5 == 0 else 0.0) for number in range(50)]
RAN = [execution(number, after=5.5 if number % 5 == 0 else 0.5) for number in range(50)]
TICKED = [tick(minute) for minute in range(10)]


def verdict(
    submissions: list[dict[str, Any]], rows: list[dict[str, Any]], interrupted_ok: bool = False
) -> tuple[dict[str, Any], list[str]]:
    """The checker's verdict over tasks and ten ticks."""
    rows = checker.executions_of(rows)
    found = {
        "tasks": checker.check_tasks(submissions, rows),
        "ticks": checker.check_ticks(rows, TICK, BEGIN, BEGIN + 9 * 60),
    }
    return found, checker.breaks(found, interrupted_ok)


def test_all_ran_once_and_in_time() -> None:
    found, broken = verdict(SUBMITTED, RAN + TICKED)
    assert broken == []
    assert found["tasks"]["accepted"] == found["tasks"]["executed"] == 50
    assert found["tasks"]["engines"] == {"django_q": 50}
    runs = found["ticks"].pop("runs")
    assert found["ticks"] == {"ticks": 10, "executed": 10, "missed": [], "doubled": []}
    assert runs[0] == ["2026-03-01T10:00:02+00:00", "django_q"]
    assert len(runs) == 10


def test_an_injected_loss() -> None:
    found, broken = verdict(SUBMITTED, [row for row in RAN if row["uid"] != "load-17"] + TICKED)
    assert broken == ["1 lost"]
    assert found["tasks"]["lost"] == ["load-17"]


def test_an_injected_duplicate() -> None:
    found, broken = verdict(SUBMITTED, [*RAN, execution(17, after=3.0, engine="celery"), *TICKED])
    assert broken == ["1 doubled"]
    assert found["tasks"]["doubled"] == [
        {"uid": "load-17", "executions": 2, "engines": ["django_q", "celery"]}
    ]


def test_a_duplicate_of_what_was_never_accepted_is_one_too() -> None:
    unanswered = accepted(99, status=None)
    twice = [execution(99), execution(99, after=3.0)]
    assert verdict([*SUBMITTED, unanswered], [*RAN, *twice, *TICKED])[1] == ["1 doubled"]


def test_an_early_run() -> None:
    rows = [row for row in RAN if row["uid"] != "load-5"]
    found, broken = verdict(SUBMITTED, [*rows, execution(5, after=4.9), *TICKED])
    assert broken == ["1 early"]
    assert found["tasks"]["early"] == [{"uid": "load-5", "seconds": 0.1}]


def test_a_missed_tick() -> None:
    found, broken = verdict(SUBMITTED, RAN + TICKED[:4] + TICKED[5:])
    assert broken == ["1 ticks missed"]
    assert found["ticks"]["missed"] == ["2026-03-01T10:04:00+00:00"]


def test_a_doubled_tick() -> None:
    found, broken = verdict(SUBMITTED, [*RAN, *TICKED, tick(4, after=31.0)])
    assert broken == ["1 ticks doubled"]
    assert found["ticks"]["doubled"] == ["2026-03-01T10:04:31+00:00"]


def test_a_missed_tick_does_not_hide_behind_a_doubled_one() -> None:
    rows = [*TICKED[:4], *TICKED[5:], tick(5, after=20.0)]
    assert verdict(SUBMITTED, RAN + rows)[1] == ["1 ticks missed", "1 ticks doubled"]


def test_a_tick_that_comes_late_is_its_own() -> None:
    rows = [*TICKED[:4], tick(4, after=58.0), *TICKED[5:]]
    assert verdict(SUBMITTED, RAN + rows)[1] == []


def test_ticks_outside_of_the_span_are_not_looked_at() -> None:
    rows = [tick(-1), tick(-1, after=30.0), *TICKED, tick(10), tick(10, after=30.0)]
    assert verdict(SUBMITTED, RAN + rows)[1] == []


def test_what_was_started_and_not_ended_is_named_apart() -> None:
    rows = [row for row in RAN if row["uid"] not in ("load-3", "load-4")]
    cut = [execution(3, finished_at=None), execution(4, finished_at=None), execution(4, after=9.0)]
    found, broken = verdict(SUBMITTED, [*rows, *cut, *TICKED])
    assert broken == ["2 started and not ended"]
    assert found["tasks"]["interrupted"] == [
        {"uid": "load-3", "executions": 1},
        {"uid": "load-4", "executions": 2},
    ]
    assert found["tasks"]["doubled"] == []
    assert verdict(SUBMITTED, [*rows, *cut, *TICKED], interrupted_ok=True)[1] == []


def test_what_was_not_accepted_may_run_or_not() -> None:
    refused = [accepted(60, status=503), accepted(61, status=None)]
    found, broken = verdict(SUBMITTED + refused, [*RAN, execution(61), *TICKED])
    assert broken == []
    assert found["tasks"]["unpromised"] == ["load-61"]


def test_the_longest_wait_counts_from_acceptance_or_from_the_countdown() -> None:
    rows = [row for row in RAN if row["uid"] not in ("load-7", "load-10")]
    slow = [execution(7, after=3.01), execution(10, after=9.0)]
    found, _broken = verdict(SUBMITTED, [*rows, *slow, *TICKED])
    assert found["tasks"]["longest_wait"] == {"uid": "load-10", "seconds": 4.0}


def test_nothing_accepted_proves_nothing() -> None:
    rows = checker.executions_of(RAN)
    found = {"tasks": checker.check_tasks([], rows), "ticks": None}
    assert checker.breaks(found, False) == ["no task was accepted: there is nothing to check"]


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T10:00:00Z",
        "2026-03-01T10:00:00+00:00",
        "2026-03-01 10:00:00+00",
        "2026-03-01T10:00:00.0+00:00",
        "2026-03-01T10:00",
    ],
)
def test_moments_of_the_ledger_and_of_psql(text: str) -> None:
    assert checker.epoch(text) == BEGIN


@pytest.mark.parametrize("digits", ["1", "12", "123456"])
def test_fractions_of_any_length(digits: str) -> None:
    assert checker.epoch(f"2026-03-01T10:00:00.{digits}Z") == pytest.approx(
        BEGIN + float(f"0.{digits}")
    )


@pytest.mark.parametrize(
    "text",
    ['{"executions": [{"a": 1}]}', '[{"a": 1}]', '{"a": 1}', '{"a": 1}\n\n'],
)
def test_forms_of_the_ledger(text: str) -> None:
    assert checker.documents(text) == [{"a": 1}]


def test_two_lines_of_json() -> None:
    assert checker.documents('{"a": 1}\n{"a": 2}\n') == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("text", ["no JSON", "3", "[3]"])
def test_what_is_no_ledger_is_refused(text: str) -> None:
    with pytest.raises(checker.Unreadable):
        checker.documents(text)


def test_settled_when_every_accepted_task_has_ended() -> None:
    rows = checker.executions_of(RAN)
    assert checker.settled([*SUBMITTED, accepted(70, status=503)], rows)
    assert not checker.settled([*SUBMITTED, accepted(70)], rows)
    assert not checker.settled(SUBMITTED[:1], [execution(0, finished_at=None)])


def test_what_a_killed_celery_worker_had_begun_is_not_waited_for() -> None:
    late = BEGIN + 60
    cut = execution(0, finished_at=None, engine="celery")
    assert checker.settled(SUBMITTED[:1], [cut], killed_by=late)
    assert not checker.settled(SUBMITTED[:1], [cut], killed_by=BEGIN + 5)
    assert not checker.settled(SUBMITTED[:1], [cut])
    assert not checker.settled(SUBMITTED[:1], [{**cut, "engine": "django_q"}], killed_by=late)
    assert not checker.settled(SUBMITTED[:2], [cut], killed_by=late)


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    """JSON lines in a file."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def test_the_exit_status_tells_the_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sent = write(tmp_path / "accepted.jsonl", SUBMITTED)
    whole = write(tmp_path / "whole.jsonl", [iso(row) for row in RAN + TICKED])
    short = write(tmp_path / "short.jsonl", [iso(row) for row in RAN[1:]])
    ticks = ["--tick-task", TICK, "--tick-from", "2026-03-01T10:00Z"]
    ticks += ["--tick-until", "2026-03-01T10:09Z"]
    assert checker.main([sent, "--ledger", whole, *ticks]) == 0
    assert json.loads(capsys.readouterr().out)["ticks"]["executed"] == 10
    assert checker.main([sent, "--ledger", short]) == 1
    assert json.loads(capsys.readouterr().out)["broken"] == ["1 lost"]
    assert checker.main([sent, "--ledger", str(tmp_path / "absent")]) == 2
    assert checker.main([sent, "--command", "false"]) == 2


def test_the_ledger_is_read_from_this_machine_only() -> None:
    with pytest.raises(checker.Unreadable, match="loopback"):
        checker.from_url("http://192.0.2.1:8000/ledger/")
