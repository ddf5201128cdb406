# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Moments as text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timezone


def now() -> str:
    """This moment in UTC, RFC 3339, in milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """A moment (RFC 3339, UTC) as the manifest and Docker tell it, to the microsecond."""
    # Docker tells nanoseconds, which Python does not read before 3.11.
    whole, fraction = re.fullmatch(r"([^.Z+]+)(?:\.(\d+))?(?:Z|\+00:00)", text).groups()
    micros = f"{fraction or '0':0<6.6}"
    return datetime.fromisoformat(f"{whole}.{micros}+00:00")


def gap_seconds(ended: Iterable[str], took_over: Iterable[str]) -> float | None:
    """The seconds from the last end to the first beginning.

    Args:
        ended: when those who worked before ended, RFC 3339.
        took_over: when those who took over began, RFC 3339.

    Returns:
        Seconds, 0.0 where they overlap; None where one of the two is empty.
    """
    ends, begins = [parse(item) for item in ended], [parse(item) for item in took_over]
    if not ends or not begins:
        return None
    return round(max(0.0, (min(begins) - max(ends)).total_seconds()), 2)
