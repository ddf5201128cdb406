# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Celery's queues in Redis, read with redis-py alone: keys, messages, what is not acknowledged.

Source of the form: kombu's Redis transport and Celery's message protocol 2.
"""

from __future__ import annotations

import base64
import bz2
import hashlib
import json
import lzma
import zlib

SEPARATOR = "\x06\x16"
PRIORITIES = (3, 6, 9)
HOLD = "cutover:hold:"
# What hangs on a message, by its name in the message.
PARTS = {
    "chain": "a chain behind it",
    "chord": "a chord behind it",
    "callbacks": "callbacks",
    "errbacks": "callbacks for errors",
}
# How kombu's compressions are undone, by what a message's header says.
DECOMPRESS = {
    "application/x-gzip": zlib.decompress,
    "application/x-bz2": bz2.decompress,
    "application/x-lzma": lzma.decompress,
}


class Unmovable(Exception):
    """A message that only a Celery worker can run; the text says why."""


def connect(broker: dict):
    """A client of the broker that `celery_broker` described."""
    import redis

    return redis.Redis.from_url(broker["url"], socket_timeout=30, socket_connect_timeout=10)


def queue_names(client, broker: dict) -> list[str]:
    """The queues that the application names and those that Redis has bindings of."""
    names = set(broker["queues"])
    for key in client.scan_iter(broker["key_prefix"] + "_kombu.binding.*"):
        for member in client.smembers(key):
            names.add(member.decode().split(SEPARATOR)[-1])
    return sorted(
        name for name in names if name and ".pidbox" not in name and "celeryev" not in name
    )


def keys_of(broker: dict, queue: str) -> list[str]:
    """The lists of one queue, the most urgent priority first."""
    name = broker["key_prefix"] + queue
    return [name] + [f"{name}{SEPARATOR}{priority}" for priority in PRIORITIES]


def hold_of(broker: dict, key: str) -> str:
    """The list that holds what was claimed from `key` and is not yet stored."""
    prefix = broker["key_prefix"]
    return prefix + HOLD + key[len(prefix) :]


def refused_of(hold: str) -> str:
    """The list that holds what was claimed and judged unmovable until its queue is done."""
    return hold + ":refused"


def decode(raw: bytes) -> dict:
    """A message as {id, task, eta, expires, args, kwargs, embed, retries, time_limit, queue}.

    Raises:
        Unmovable: it is no message, not of protocol 2, or its body is no JSON.
    """
    try:
        message = json.loads(raw)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise Unmovable("it is no message of Celery")
    headers, properties = message.get("headers") or {}, message.get("properties") or {}
    if "task" not in headers or "id" not in headers:
        raise Unmovable("it is not of Celery's message protocol 2")
    known = {
        "id": headers["id"],
        "task": headers["task"],
        "eta": headers.get("eta"),
        "expires": headers.get("expires"),
        "retries": headers.get("retries") or 0,
        "time_limit": (headers.get("timelimit") or [None])[0],
        "queue": (properties.get("delivery_info") or {}).get("routing_key"),
    }
    if message.get("content-type") != "application/json":
        raise Unmovable(f"its serializer is {message.get('content-type')}, not JSON", known)
    body = message["body"]
    if properties.get("body_encoding") == "base64":
        body = base64.b64decode(body)
    compression = headers.get("compression")
    if compression:
        if compression not in DECOMPRESS:
            raise Unmovable(f"its compression is {compression}", known)
        body = DECOMPRESS[compression](body)
    args, kwargs, embed = json.loads(body)
    return {**known, "args": args, "kwargs": kwargs, "embed": embed or {}}


def moment(text: str | None):
    """A message's `eta` or `expires` as a datetime, None without one; no zone is UTC, as to Celery.

    Raises:
        Unmovable: it is no ISO 8601.
    """
    from datetime import datetime, timezone

    if not text:
        return None
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise Unmovable(f"its time {text!r} cannot be read") from None
    return found if found.tzinfo else found.replace(tzinfo=timezone.utc)


def digest(raw: bytes) -> str:
    """What names a message as it stands in Redis: ids need not be there, or not be its own."""
    return hashlib.sha256(raw).hexdigest()


def exported(raw: bytes) -> dict:
    """A message as it stands in Redis, for a file: {digest, message} or, of no text, in base64."""
    try:
        return {"digest": digest(raw), "message": raw.decode("utf-8")}
    except UnicodeDecodeError:
        encoded = base64.b64encode(raw).decode("ascii")
        return {"digest": digest(raw), "message_base64": encoded}


def plain(value):
    """A JSON value with kombu's typed values (datetime, Decimal, UUID, bytes …) made real.

    Raises:
        Unmovable: a type that is not known.
    """
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"__type__", "__value__"}:
        return typed(value["__type__"], value["__value__"])
    return {key: plain(item) for key, item in value.items()}


def typed(kind: str, value):
    """One of kombu's typed JSON values.

    Raises:
        Unmovable: the type is not known.
    """
    import uuid
    from datetime import date, datetime, time
    from decimal import Decimal

    readers = {
        "datetime": datetime.fromisoformat,
        "date": lambda text: date.fromisoformat(text[:10]),
        "time": time.fromisoformat,
        "decimal": Decimal,
        "uuid": lambda item: uuid.UUID(item["hex"] if isinstance(item, dict) else item),
        "bytes": lambda text: text.encode("utf-8"),
        "base64": lambda text: base64.b64decode(text),
    }
    if kind not in readers:
        raise Unmovable(f"an argument has the type {kind!r}")
    return readers[kind](value)


def check_movable(message: dict, tasks: set[str]) -> None:
    """Refuse what Django-Q cannot run as it is.

    Raises:
        Unmovable: a chain, a chord, a callback, an unknown task.
    """
    if message["task"] not in tasks:
        raise Unmovable("the application has no such task")
    parts = [words for name, words in PARTS.items() if message["embed"].get(name)]
    if parts:
        raise Unmovable("it has " + " and ".join(parts))


def adopt_unacknowledged(client, broker: dict) -> int:
    """Put what a dead worker had fetched and not acknowledged into its queue's hold list.

    Only when no worker lives. Each message moves in one step of Redis, so that it is never in
    both places or in none.

    Returns:
        How many.
    """
    prefix = broker["key_prefix"]
    unacked, index = prefix + broker["unacked_key"], prefix + broker["unacked_index_key"]
    count = 0
    for tag, value in client.hscan_iter(unacked):
        message, _exchange, queue = json.loads(value)
        hold = hold_of(broker, prefix + queue)
        with client.pipeline(transaction=True) as pipe:
            pipe.rpush(hold, json.dumps(message))
            pipe.hdel(unacked, tag)
            pipe.zrem(index, tag)
            pipe.execute()
        count += 1
    return count


def return_held(client, broker: dict, stored: set[str]) -> int:
    """Give back to their queues what an interrupted move had claimed.

    Each message moves in one step of Redis. A worker may run meanwhile: it does not know these
    lists.

    Args:
        stored: ids of messages that the move had stored already; these are dropped here.

    Returns:
        How many went back.
    """
    count = 0
    for queue in queue_names(client, broker):
        for key in keys_of(broker, queue):
            hold = hold_of(broker, key)
            for raw in client.lrange(hold, 0, -1):
                if (json.loads(raw).get("headers") or {}).get("id") in stored:
                    client.lrem(hold, 1, raw)
            # What was claimed first stands at the right end, from which a worker takes.
            for source in (hold, refused_of(hold)):
                while client.lmove(source, key, "LEFT", "RIGHT"):
                    count += 1
    return count


def lengths(client, broker: dict) -> dict[str, int]:
    """How many messages wait, by queue; the unacknowledged under their key's name."""
    prefix = broker["key_prefix"]
    found = {}
    for queue in queue_names(client, broker):
        found[queue] = sum(
            client.llen(place)
            for key in keys_of(broker, queue)
            for hold in [hold_of(broker, key)]
            for place in (key, hold, refused_of(hold))
        )
    found[broker["unacked_key"]] = client.hlen(prefix + broker["unacked_key"])
    return {name: count for name, count in found.items() if count}
