"""Messages of every kind, sent by Celery into a real Redis that no worker takes from, and moved.

The deployment stands on Celery meanwhile; the old release's own qcluster runs what was moved.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from typing import Any

import pytest
from testbed import door, hosts
from testbed.air_risk import TEST_TASK, AirRisk
from testbed.console import TestbedError

#: A database of Redis of its own, and a prefix as several applications of one Redis have.
URL = "redis://redis:6379/5"
PREFIX = "air:"
SEND = """
import json, os, sys, time
from datetime import datetime, timedelta, timezone
from celery import chain, chord, current_app, group
from air_quality.tasks import test_task

current_app.conf.broker_url = URL
current_app.conf.broker_transport_options = {"global_keyprefix": PREFIX}
current_app.conf.result_backend = URL  # a chord cannot be sent without


def one(name, **options):
    return test_task.apply_async(kwargs={"uid": UID + name}, task_id=None, **options)


"""


@pytest.fixture
def uid() -> str:
    """A prefix of uids that no other test uses."""
    return f"message-{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def send(app: AirRisk, uid: str):
    """Sends by Celery's own code: ``send(code)``, the last line that it prints.

    In it ``one(name, **options)`` sends a task.
    """

    def run(code: str, killed: bool = False) -> str:
        text = SEND.replace("URL", repr(URL)).replace("PREFIX", repr(PREFIX)) + code
        text = text.replace("UID", repr(uid))
        if killed:
            with pytest.raises(TestbedError, match="137"):
                app.python("celery_worker", text)
            return ""
        return app.python("celery_worker", text)

    return run


@pytest.fixture(scope="module")
def broker(host: hosts.Host) -> dict[str, Any]:
    """How that database of Redis is reached."""
    found, _ = door.call(host, "celery_broker", {}, service="celery_worker")
    assert found["transport"] == "redis"
    return {**found, "url": URL, "key_prefix": PREFIX}


@pytest.fixture(autouse=True)
def _empty(app: AirRisk) -> None:
    app.compose("exec", "-T", "redis", "redis-cli", "-n", "5", "flushdb")


@pytest.fixture
def move(host: hosts.Host, broker: dict[str, Any], uid: str):
    """Moves: ``move(**params)``, what `celery_move` returned."""

    def run(last: int = 0, **params: Any) -> dict[str, Any]:
        known = {
            "run_id": uid,
            "broker": broker,
            "names": {},
            "clusters": {"gis": "", "default": ""},
        }
        return door.call(host, "celery_move", {**known, **params}, last=last)[0]

    return run


@pytest.fixture
def ran(app: AirRisk, uid: str):
    """The ledger's rows of this test's tasks: ``ran(count)``, once there are so many."""

    def wait(count: int) -> list[dict[str, Any]]:
        query = (
            "SELECT json_build_object('uid', uid, 'engine', engine,"
            " 'started_at', extract(epoch FROM started_at))"
            f" FROM ledger_execution WHERE uid LIKE '{uid}%' ORDER BY started_at"
        )
        deadline = time.monotonic() + 60
        rows: list[dict[str, Any]] = []
        while len(rows) < count and time.monotonic() < deadline:
            rows = [json.loads(text) for (text,) in app.sql(query)]
        return rows

    return wait


def names(rows: list[dict[str, Any]], uid: str) -> list[str]:
    return sorted(row["uid"].removeprefix(uid) for row in rows)


def test_each_priority_and_a_compressed_message_is_moved(send, move, ran, uid: str) -> None:
    send(
        """
for priority in (0, 3, 6, 9):
    one(f"p{priority}", priority=priority)
one("zip", compression="gzip")
one("gis", queue="gis")
"""
    )
    report = move()
    assert (report["moved"], report["unmovable"], report["left"]) == (6, [], {})
    rows = ran(6)
    assert names(rows, uid) == ["gis", "p0", "p3", "p6", "p9", "zip"]
    assert {row["engine"] for row in rows} == {"django_q"}


def test_delayed_ones_keep_their_time(send, move, ran, uid: str) -> None:
    due = json.loads(
        send(
            """
now = datetime.now(timezone.utc)
one("countdown", countdown=8)
one("naive", eta=(now + timedelta(seconds=8)).replace(tzinfo=None))
one("past", eta=now - timedelta(seconds=8))
print(json.dumps(now.timestamp() + 8))
"""
        )
    )
    report = move()
    assert (report["delayed"], report["moved"], report["unmovable"]) == (2, 1, [])
    started = {row["uid"].removeprefix(uid): row["started_at"] for row in ran(3)}
    assert started["past"] < due
    assert due <= min(started["countdown"], started["naive"])


def test_expired_ones_are_dropped_and_named(send, move, ran, uid: str) -> None:
    expired = send(
        """
one("fresh", expires=600)
print(one("expired", expires=datetime.now(timezone.utc) - timedelta(seconds=1)).id)
"""
    )
    report = move()
    assert (report["expired"], report["expired_ids"], report["moved"]) == (1, [expired], 1)
    assert names(ran(1), uid) == ["fresh"]
    assert move()["changed"] is False


#: What only a Celery worker can run: code that sends it, its task, words of the reason.
UNMOVABLE = {
    "chain": (
        "chain(test_task.si(), test_task.si()).apply_async()",
        TEST_TASK,
        "a chain behind it",
    ),
    "chord": (
        "chord([test_task.si(uid=UID + 'a')], test_task.si()).apply_async()",
        TEST_TASK,
        "a chord behind it",
    ),
    "callback": ("one('link', link=test_task.si())", TEST_TASK, "it has callbacks"),
    "error callback": ("one('link', link_error=test_task.si())", TEST_TASK, "callbacks for errors"),
    "unknown task": ("current_app.send_task('shop.tasks.gone')", "shop.tasks.gone", "no such task"),
    "serializer": ("one('pickle', serializer='pickle')", TEST_TASK, "python-serialize, not JSON"),
    "queue": ("one('q', queue='nobody')", TEST_TASK, "no cluster serves its queue"),
    "time": ("one('t', eta='tomorrow')", TEST_TASK, "'tomorrow' cannot be read"),
}


def test_what_only_a_worker_can_run_is_named_and_stays(
    host: hosts.Host, broker: dict[str, Any], send, move, ran, uid: str
) -> None:
    codes = "\n".join(code for code, _, _ in UNMOVABLE.values())
    send(codes + "\none('movable')")
    # It may be looked at as often as one likes, and goes only when it is told to.
    report = move()
    assert (report["moved"], sum(report["left"].values())) == (1, len(UNMOVABLE))
    assert not any("message" in item for item in report["unmovable"])
    exported = move(export=True)["unmovable"]
    assert len(exported) == len(UNMOVABLE)
    for kind, (_, task, why) in UNMOVABLE.items():
        (found,) = [item for item in exported if item["why"].endswith(why)]
        assert found["task"] == task, kind
        assert json.loads(found["message"])["headers"]["id"] == found["id"], kind
    params = {"broker": broker, "digests": [item["digest"] for item in exported[1:]]}
    dropped = [door.call(host, "celery_drop", params)[0]["dropped"] for _ in range(2)]
    assert dropped == [len(UNMOVABLE) - 1, 0]
    assert [item["id"] for item in move()["unmovable"]] == [exported[0]["id"]]
    assert names(ran(1), uid) == ["movable"]


def test_what_a_dead_worker_had_fetched_is_adopted(send, move, ran, uid: str) -> None:
    send(
        """
one("fetched")
with current_app.connection_for_read() as connection:
    queue = connection.SimpleQueue(current_app.amqp.queues["default"])
    queue.get(timeout=10)
    os.kill(os.getpid(), 9)
""",
        killed=True,
    )
    report = move()
    assert (report["adopted"], report["moved"], report["left"]) == (1, 1, {})
    assert names(ran(1), uid) == ["fetched"]


def test_a_move_that_is_killed_again_and_again_moves_each_once(send, move, ran, uid: str) -> None:
    send(
        """
for index in range(40):
    one(str(index), priority=index % 4 * 3, countdown=index % 3 or None)
chain(test_task.si(), test_task.si()).apply_async()
"""
    )
    places, kills = random.Random(7), 0
    # A whole move takes some 60 steps; what one that is killed has done is not to be done again.
    for _ in range(8):
        try:
            move(last=places.randint(4, 60))
        except door.Ended:
            kills += 1
    report = move()
    assert kills >= 4
    assert [item["why"] for item in report["unmovable"]] == ["it has a chain behind it"]
    assert report["left"] == {"default": 1}
    rows = ran(40)
    assert names(rows, uid) == sorted(map(str, range(40)))
