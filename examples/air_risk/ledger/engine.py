"""Which task system this process belongs to."""

import sys
from collections.abc import Sequence
from pathlib import Path

CELERY = "celery"
DJANGO_Q = "django_q"
INLINE = "inline"


def engine_of(argv: Sequence[str]) -> str:
    """Name the engine of a process by its command line.

    Args:
        argv: the process's arguments as in `sys.argv`. Both engines fork their workers,
            so that these carry the arguments of the process that was started.

    Returns:
        `celery` for a Celery worker (`celery -A … worker`, `python -m celery …`),
        `django_q` for a cluster (`manage.py qcluster`), `inline` for anything else: a
        shell, a test, a request that calls the function itself.
    """
    if not argv:
        return INLINE
    program = Path(argv[0])
    if program.stem == "celery" or program.parts[-2:] == ("celery", "__main__.py"):
        return CELERY
    if "qcluster" in argv[1:2]:
        return DJANGO_Q
    return INLINE


def current_engine() -> str:
    """Name the engine of this process."""
    return engine_of(sys.argv)
