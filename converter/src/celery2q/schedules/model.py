"""One periodic task, and why some cannot be said in Django-Q2."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class Inexpressible(Exception):
    """Django-Q2 cannot say this schedule; the text says why and what to do."""


@dataclass(frozen=True)
class Timing:
    """When something runs.

    Attributes:
        kind: "cron" or "minutes".
        cron: the cron expression (sets of numbers), in which a part may be `{expression}`.
        minutes: the interval, for kind "minutes".
        celery: keyword arguments of Celery's crontab, to ask Celery itself when it fires.
        dynamic: whether the cron expression has parts that are known only at run time.
    """

    kind: str
    cron: str = ""
    minutes: int = 0
    celery: dict[str, Any] = field(default_factory=dict)
    dynamic: bool = False


@dataclass(frozen=True)
class Entry:
    """One entry of beat.

    Attributes:
        name: its name, which the Django-Q2 schedule gets too.
        task: the Celery name it sends.
        func: the dotted path, "" when no task of the tree has the name.
        timing: when; None when Django-Q2 cannot say it.
        problem: why it cannot be said, as a sentence.
        args: positional arguments, as the source of a tuple.
        kwargs: keyword arguments, as the source of a dict.
        queue: the queue it names.
        lost: options that Django-Q2 has nothing for.
        enabled: whether it runs.
        time_zone: a zone of its own (rows of django-celery-beat).
        path, line, column: where it stands.
    """

    name: str
    task: str
    func: str
    timing: Timing | None
    problem: str = ""
    args: str = ""
    kwargs: str = ""
    queue: str | None = None
    lost: tuple[str, ...] = ()
    enabled: bool = True
    time_zone: str = ""
    path: str = ""
    line: int = 1
    column: int = 1
