"""Recording one execution: a row at its start, its end filled in when it is over."""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from ledger.engine import current_engine
from ledger.models import Execution

# A restart of PostgreSQL takes seconds. What was accepted must survive it, and so must
# the record that it was done.
PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.5


@contextmanager
def recorded(task: str, uid: str | None = None, seconds: float = 0.0) -> Iterator[str]:
    """Record the execution of a task's body.

    Both writes stand alone, on autocommit: the start is to be seen while the body still
    runs, and stays when the body's own transaction is rolled back. An execution that
    ends in an exception has ended too; one without an end was killed or still runs.

    Args:
        task: the task's dotted name.
        uid: what the caller knows this run by; one is made up when there is none.
        seconds: how long the run is stretched, for those who want a long task.

    Yields:
        The uid of the run.
    """
    uid = uid or f"auto-{uuid.uuid4().hex}"
    started_at = timezone.now()
    _patiently(lambda: _start(uid, task, started_at))
    try:
        time.sleep(max(0.0, seconds))
        yield uid
    finally:
        finished_at = timezone.now()
        run = Execution.objects.filter(uid=uid, task=task, started_at=started_at)
        _patiently(lambda: run.update(finished_at=finished_at))


def _start(uid: str, task: str, started_at: datetime) -> None:
    """Insert the row unless it is there: a commit whose answer was lost counts once."""
    row = Execution(uid=uid, task=task, engine=current_engine(), started_at=started_at)
    if not Execution.objects.filter(uid=uid, task=task, started_at=started_at).exists():
        row.save(force_insert=True)


def _patiently(write: Callable[[], object]) -> None:
    """Run one write, again while the database is away, for PATIENCE_SECONDS at most."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            write()
            return
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(PAUSE_SECONDS)
