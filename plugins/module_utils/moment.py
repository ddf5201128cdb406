# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Moments as text."""

from __future__ import annotations

from datetime import datetime, timezone


def now() -> str:
    """This moment in UTC, RFC 3339, in milliseconds."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
