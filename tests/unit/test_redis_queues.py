"""Celery's messages as Redis holds them: read, judged, made real."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.app import redis_queues
from celery import Celery
from kombu.compression import compress
from kombu.utils import json as kombu_json

BROKER = {"key_prefix": "air:", "queues": ["gis"], "unacked_key": "unacked"}


def message_of(args=(), kwargs=None, embed=None, **headers) -> bytes:
    """A message as kombu's Redis transport writes it."""
    body = kombu_json.dumps([list(args), kwargs or {}, embed or {}])
    return json.dumps(
        {
            "body": base64.b64encode(body.encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"id": "7b3c", "task": "app.tasks.work", **headers},
            "properties": {
                "body_encoding": "base64",
                "delivery_info": {"exchange": "", "routing_key": "gis"},
            },
        }
    ).encode()


def test_a_message_is_read_whole() -> None:
    message = redis_queues.decode(message_of([1, "a"], {"b": 2}, eta="2026-01-01T00:00:00+00:00"))
    assert message == {
        "id": "7b3c",
        "task": "app.tasks.work",
        "eta": "2026-01-01T00:00:00+00:00",
        "expires": None,
        "retries": 0,
        "time_limit": None,
        "queue": "gis",
        "args": [1, "a"],
        "kwargs": {"b": 2},
        "embed": {},
    }


def test_the_form_is_the_one_that_celery_sends() -> None:
    app = Celery("probe")
    sent = app.amqp.create_task_message("7b3c", "app.tasks.work", args=(1,), kwargs={"b": 2})
    assert sent.headers["task"] == "app.tasks.work"
    assert sent.headers["id"] == "7b3c"
    args, kwargs, embed = sent.body
    assert (list(args), kwargs) == ([1], {"b": 2})
    assert set(embed) == {"callbacks", "errbacks", "chain", "chord"}


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        date(2026, 1, 2),
        Decimal("1.50"),
        UUID("12345678123456781234567812345678"),
        {"nested": [Decimal("2")]},
    ],
)
def test_kombus_typed_values_come_back_real(value) -> None:
    message = redis_queues.decode(message_of([value]))
    assert redis_queues.plain(message["args"]) == [value]


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(redis_queues.Unmovable, match="'shape'"):
        redis_queues.plain([{"__type__": "shape", "__value__": 1}])


@pytest.mark.parametrize("part", redis_queues.PARTS)
def test_what_belongs_to_others_is_refused(part: str) -> None:
    message = redis_queues.decode(message_of(embed={part: ["x"]}))
    with pytest.raises(redis_queues.Unmovable, match=redis_queues.PARTS[part]):
        redis_queues.check_movable(message, {"app.tasks.work"})


def test_an_unknown_task_is_refused_by_name() -> None:
    with pytest.raises(redis_queues.Unmovable, match="no such task"):
        redis_queues.check_movable(redis_queues.decode(message_of()), {"app.tasks.other"})


def test_another_serializer_is_refused_and_the_task_is_named() -> None:
    raw = json.loads(message_of())
    raw["content-type"] = "application/x-python-serialize"
    with pytest.raises(redis_queues.Unmovable, match="not JSON") as caught:
        redis_queues.decode(json.dumps(raw).encode())
    assert caught.value.args[1]["task"] == "app.tasks.work"


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(redis_queues.Unmovable, match="no message"):
        redis_queues.decode(text.encode())


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "lzma"])
def test_a_compressed_body_is_read(kind: str) -> None:
    raw = json.loads(message_of([1], {"b": 2}))
    body, compression = compress(base64.b64decode(raw["body"]), kind)
    raw["body"] = base64.b64encode(body).decode()
    raw["headers"]["compression"] = compression
    message = redis_queues.decode(json.dumps(raw).encode())
    assert (message["args"], message["kwargs"]) == ([1], {"b": 2})


def test_another_compression_is_refused_and_the_task_is_named() -> None:
    raw = json.loads(message_of(compression="application/zstd"))
    with pytest.raises(redis_queues.Unmovable, match="zstd") as caught:
        redis_queues.decode(json.dumps(raw).encode())
    assert caught.value.args[1]["task"] == "app.tasks.work"


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-02T03:04:05+05:30", datetime(2026, 1, 1, 21, 34, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.250000", datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)),
        (None, None),
    ],
)
def test_a_time_without_a_zone_is_utc_as_to_celery(text: str | None, moment) -> None:
    assert redis_queues.moment(text) == moment


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(redis_queues.Unmovable, match="tomorrow"):
        redis_queues.moment("tomorrow")


def test_an_export_names_and_holds_each_message_whole() -> None:
    raw = message_of([1])
    assert redis_queues.exported(raw)["message"].encode() == raw
    odd = redis_queues.exported(b"\xff\xfe")
    assert base64.b64decode(odd["message_base64"]) == b"\xff\xfe"
    assert odd["digest"] != redis_queues.exported(raw)["digest"] == redis_queues.digest(raw)


def test_protocol_one_is_refused() -> None:
    raw = json.loads(message_of())
    raw["headers"] = {}
    with pytest.raises(redis_queues.Unmovable, match="protocol 2"):
        redis_queues.decode(json.dumps(raw).encode())


def test_keys_carry_the_prefix_and_the_priorities() -> None:
    keys = redis_queues.keys_of(BROKER, "gis")
    assert keys == ["air:gis", "air:gis\x06\x163", "air:gis\x06\x166", "air:gis\x06\x169"]
    assert redis_queues.hold_of(BROKER, keys[0]) == "air:cutover:hold:gis"
