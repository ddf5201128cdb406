"""The ways in which the sample application sends tasks, each tried on a deployment."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from testbed.air_risk import FINISH_SECONDS, URL, AirRisk

ABSENT = 10_000_000
READING = '{"taken_at": "2026-03-01T09:00:00+00:00", "millivolts": 60}'


@dataclass(frozen=True)
class Way:
    """One way.

    Attributes:
        send: Sends under a uid.
        tasks: The executions that must come of it, in the order of their start.
    """

    send: Callable[[AirRisk, str], Any]
    tasks: tuple[str, ...]


def _manage(app: AirRisk, *arguments: str) -> str:
    return app.compose("exec", "-T", "web", "python", "manage.py", *arguments)


def _reading(app: AirRisk, uid: str) -> None:
    app.curl("-X", "POST", "-d", READING, f"{URL}/stations/LOW-1/readings/?uid={uid}")


WAYS = {
    "when the transaction commits": Way(_reading, ("air_quality.tasks.process_data",)),
    "again, twice, after a failure": Way(
        lambda app, uid: app.submit("air_quality.tasks.process_data", uid=uid, args=[ABSENT]),
        ("air_quality.tasks.process_data",) * 3,
    ),
    "by a function that is handed on": Way(
        lambda app, uid: _manage(app, "calculate_exposure", "--uid", uid),
        ("exposure.tasks.calculate_district_exposure",) * 3,
    ),
    "one behind the other": Way(
        lambda app, uid: _manage(app, "publish_report", "daily", "--uid", uid),
        ("reports.tasks.generate_report", "reports.tasks.send_report"),
    ),
}
#: A task of the project's own decorator; its runs have no uid that could be given.
WRAPPED = "air_quality.tasks.forget_old_readings"


def executed(app: AirRisk, way: Way, timeout: float = FINISH_SECONDS) -> list[tuple[str, str]]:
    """Send, and wait for the executions.

    Returns:
        (task, engine) of each, in the order of their start.

    Raises:
        AssertionError: Fewer than expected ended within `timeout` seconds.
    """
    uid = f"testbed-{uuid.uuid4().hex[:12]}"
    way.send(app, uid)
    return _ended(lambda: app.executions(uid), len(way.tasks), timeout)


def wrapped_executed(app: AirRisk, timeout: float = FINISH_SECONDS) -> list[tuple[str, str]]:
    """The same for the task of the project's own decorator."""
    known = {row["uid"] for row in app.latest_executions()}
    _manage(app, "housekeeping")
    return _ended(
        lambda: [
            row
            for row in app.latest_executions()
            if row["uid"] not in known and row["task"] == WRAPPED
        ],
        1,
        timeout,
    )


def _ended(
    look: Callable[[], list[dict[str, Any]]], count: int, timeout: float
) -> list[tuple[str, str]]:
    deadline = time.monotonic() + timeout
    while True:
        rows = look()
        if sum(bool(row["finished_at"]) for row in rows) >= count:
            rows.sort(key=lambda row: row["started_at"])
            return [(row["task"], row["engine"]) for row in rows]
        assert time.monotonic() < deadline, f"not {count} ended within {timeout:.0f} s: {rows}"
        time.sleep(0.2)
