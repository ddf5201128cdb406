"""What a caller may submit: parsing and checking, without Django and without a queue."""

import json
import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

MAX_BODY_BYTES = 16_384
MAX_SECONDS = 3_600.0
MAX_COUNTDOWN = 30 * 86_400.0
MAX_UID_CHARS = 200


class InvalidSubmission(ValueError):
    """The body cannot be accepted; the text says what to change."""


@dataclass(frozen=True)
class Submission:
    """One task to enqueue.

    Attributes:
        uid: the caller's name for this run, as it will stand in the ledger.
        task: dotted name of the task.
        args: positional arguments of the task.
        seconds: how long the run is stretched.
        countdown: seconds until the task is due.
        queue: the queue to use, or None for the task's own.
    """

    uid: str
    task: str
    args: list[Any] = field(default_factory=list)
    seconds: float = 0.0
    countdown: float = 0.0
    queue: str | None = None


def parse(body: bytes, tasks: Collection[str], queues: Collection[str]) -> Submission:
    """Read one submission from a request's body.

    Args:
        body: the body as it came.
        tasks: names of the tasks that may be submitted.
        queues: names of the queues that may be asked for.

    Raises:
        InvalidSubmission: with a sentence for the caller.
    """
    if len(body) > MAX_BODY_BYTES:
        raise InvalidSubmission(f"The body must not exceed {MAX_BODY_BYTES} bytes.")
    try:
        data = json.loads(body)
    except ValueError as error:
        raise InvalidSubmission(f"The body must be JSON: {error}.") from error
    if not isinstance(data, dict):
        raise InvalidSubmission("The body must be a JSON object.")
    known = ("uid", "task", "args", "seconds", "countdown", "queue")
    if unknown := sorted(set(data) - set(known)):
        raise InvalidSubmission(f"Unknown keys: {', '.join(unknown)}; known: {', '.join(known)}.")

    uid, task, queue = data.get("uid"), data.get("task"), data.get("queue")
    if not isinstance(uid, str) or not 1 <= len(uid) <= MAX_UID_CHARS or not uid.isprintable():
        raise InvalidSubmission(f"uid must be 1 to {MAX_UID_CHARS} printable characters.")
    if not isinstance(task, str) or task not in tasks:
        raise InvalidSubmission(f"task must be one of: {', '.join(sorted(tasks))}.")
    if queue is not None and (not isinstance(queue, str) or queue not in queues):
        raise InvalidSubmission(f"queue must be one of: {', '.join(sorted(queues))}.")
    args = data.get("args", [])
    if not isinstance(args, list):
        raise InvalidSubmission("args must be a list.")
    return Submission(
        uid=uid,
        task=task,
        args=args,
        seconds=_number(data, "seconds", MAX_SECONDS),
        countdown=_number(data, "countdown", MAX_COUNTDOWN),
        queue=queue,
    )


def _number(data: dict[str, Any], key: str, maximum: float) -> float:
    """Read a number of seconds between 0 and `maximum`, 0 when absent."""
    value = data.get(key, 0)
    # bool is an int to Python; NaN and Infinity are numbers to Python's JSON reader
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise InvalidSubmission(f"{key} must be a number of seconds.")
    if not 0 <= value <= maximum:
        raise InvalidSubmission(f"{key} must be 0 to {maximum:g} seconds.")
    return float(value)
