"""Tasks that stand in the ledger without a line of their own."""

import functools
from collections.abc import Callable
from typing import Any

from celery import shared_task

from ledger.recorder import recorded


def recorded_task(function: Callable) -> Callable:
    """Make a function a task of the default queue whose every run is recorded.

    For housekeeping that nobody asks for by name: its runs get uids of their own.
    """
    task = f"{function.__module__}.{function.__qualname__}"

    @shared_task(queue="default")
    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        with recorded(task):
            return function(*args, **kwargs)

    return run
