# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What `docker stats` says of containers' memory, as numbers."""

from __future__ import annotations

import json
import re

UNITS = {
    "B": 1,
    "KB": 1000,
    "MB": 1000**2,
    "GB": 1000**3,
    "TB": 1000**4,
    "KIB": 1024,
    "MIB": 1024**2,
    "GIB": 1024**3,
    "TIB": 1024**4,
}


def bytes_of(text: str) -> int | None:
    """A size as Docker prints it (`25.31MiB`) in bytes; None for `--`, of a stopped container."""
    found = re.fullmatch(r"\s*([\d.]+)\s*([A-Za-z]+)\s*", text)
    if not found or found.group(2).upper() not in UNITS:
        return None
    return round(float(found.group(1)) * UNITS[found.group(2).upper()])


def memory_by_id(stats: str) -> dict[str, int | None]:
    """Bytes in use by container id, from `docker stats --no-stream --no-trunc --format json`.

    Args:
        stats: one JSON object a line. `MemUsage` holds `used / limit`; the page cache is not in
            it, as Docker counts.
    """
    found = {}
    for line in stats.splitlines():
        if line.strip():
            item = json.loads(line)
            found[item["ID"]] = bytes_of(item["MemUsage"].partition("/")[0])
    return found
