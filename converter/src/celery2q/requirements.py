"""Requirement lines: what they name, and which versions fit the project."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

#: Packages that only Celery needs; so are those that begin as PREFIXES say.
GONE = frozenset(
    "celery kombu billiard amqp vine flower django-celery pytest-celery tenant-schemas-celery "
    "types-celery opentelemetry-instrumentation-celery redbeat".split()
)
PREFIXES = ("celery-", "django-celery-")
_LINE = re.compile(
    r"""^(?P<before>\s*(?:-\s+)?['"]?)(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)
    (?P<extras>\[[^\]]*\])?\s*(?P<version>(?:[=<>!~^@]|\s|;|,|$|['"]).*)$""",
    re.VERBOSE,
)
DJANGO_Q = {"new": "django-q2>=1.11,<2", "old": "django-q2>=1.8,<1.11"}
CRONITER = "croniter>=3"


@dataclass(frozen=True)
class Requirement:
    """One requirement on a line of its own.

    Attributes:
        name: normalised package name.
        extras: as written, "[redis]" or "".
        version: what follows, as written.
        line: 1-based line.
    """

    name: str
    extras: str
    version: str
    line: int


def normal(name: str) -> str:
    """A package's normalised name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_gone(name: str) -> bool:
    """Whether a package (its normalised name) goes with Celery."""
    return name in GONE or name.startswith(PREFIXES)


def read(text: str) -> Iterator[Requirement]:
    """The requirements of a requirements file."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(("#", "-r", "-c", "-e", "--", "http", "git+")):
            continue
        match = _LINE.match(line)
        if match and line.strip():
            yield Requirement(
                normal(match["name"]), match["extras"] or "", match["version"].strip(), number
            )


def is_file(path: str) -> bool:
    """Whether a path is a requirements file."""
    parts = path.lower().split("/")
    name = parts[-1]
    if not name.endswith((".txt", ".in")):
        return False
    return re.match(
        r"(.*[-_.])?(requirements|requires|constraints|deps)([-_.].*)?$", name
    ) is not None or any(part in ("requirements", "requires", "reqs") for part in parts[:-1])


def django_q(versions: list[str]) -> str:
    """The requirement of Django-Q2 that fits the Django versions a project allows.

    Args:
        versions: what follows "Django" in its requirements.
    """
    lowest = None
    for version in versions:
        for found in re.finditer(r"(==|~=|>=|\^|<=?)?\s*(\d+)\.(\d+)", version):
            if found[1] in ("<", "<="):
                upper = (int(found[2]), int(found[3]))
                if upper <= (5, 1) or (found[1] == "<" and upper <= (5, 2)):
                    return DJANGO_Q["old"]
                continue
            pair = (int(found[2]), int(found[3]))
            lowest = pair if lowest is None else min(lowest, pair)
    return DJANGO_Q["old"] if lowest is not None and lowest < (5, 2) else DJANGO_Q["new"]
