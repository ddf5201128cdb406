# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The `.json` that stands beside each dump: without it, no dump is trusted.

Shape (format 1)::

    {"format": 1, "file": "air_risk-20260102T030405Z.dump.zst",
     "database": {"name", "encoding", "collate", "ctype", "provider", "locale"},
     "size": 121000000 (bytes), "sha256": "…",
     "started_at": "2026-01-02T03:04:05Z", "finished_at": "…", "seconds": 6.7,
     "compression": {"by": "host" | "container" | "pg_dump", "level": 3},
     "server_version": "15.18", "server_version_num": 150018, "client_version": "15.18",
     "tables": {"public.auth_user": 12, …} (rows), "large_objects": 0,
     "verified": null | {"at": "…", "seconds": 24.2, "server_version": "15.18"}}
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError

FORMAT = 1

_KEYS: dict[str, type | tuple[type, ...]] = {
    "file": str,
    "database": dict,
    "size": int,
    "sha256": str,
    "finished_at": str,
    "compression": dict,
    "server_version": str,
    "server_version_num": int,
    "tables": dict,
    "large_objects": int,
}


@dataclass(frozen=True)
class Dump:
    """A dump and what its sidecar says about it."""

    path: str
    sidecar: dict[str, Any]

    @property
    def finished_at(self) -> str:
        """When the dump was whole, ISO 8601 in UTC, so that text order is the order of time."""
        return str(self.sidecar["finished_at"])

    @property
    def verified(self) -> bool:
        """Whether a restore test of this dump succeeded."""
        return bool(self.sidecar.get("verified"))

    @property
    def database(self) -> str:
        """The name of the database that was dumped."""
        return str(self.sidecar["database"]["name"])

    @property
    def rows(self) -> int:
        """Rows of all tables together."""
        return sum(self.sidecar["tables"].values())

    def summary(self) -> dict[str, Any]:
        """What modules return and the manifest keeps: no list of tables."""
        return {
            "path": self.path,
            "size": self.sidecar["size"],
            "sha256": self.sidecar["sha256"],
            "tables": len(self.sidecar["tables"]),
            "rows": self.rows,
            "verified": self.verified,
            "finished_at": self.finished_at,
        }


def sidecar_path(dump: str) -> str:
    """Where the sidecar of a dump stands."""
    return dump + ".json"


def file_stem(database: str, moment: str) -> str:
    """The first part of a dump's file name; ``moment`` is a time such as 20260102T030405Z."""
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", database).lstrip(".") or "database"
    return f"{safe}-{moment}"


def read(dump: str) -> Dump:
    """Read and check the sidecar of a dump; the dump's own bytes are not read.

    Raises:
        PostgresError: The dump or its sidecar is absent, the sidecar is damaged or of an unknown
            format, or the dump's size is another.
    """
    path = sidecar_path(dump)
    if not os.path.isfile(dump):
        raise PostgresError("no_dump", f"There is no dump {dump}.")
    try:
        with open(path, encoding="utf-8") as stream:
            document = json.load(stream)
    except FileNotFoundError:
        raise PostgresError(
            "no_sidecar",
            f"The dump {dump} has no sidecar {os.path.basename(path)}, so it is not trusted.",
            fix="Use a dump that this collection made whole, with its .json beside it.",
        ) from None
    except (ValueError, OSError) as error:
        raise PostgresError(
            "bad_sidecar", f"The sidecar {path} cannot be read.", found=str(error)
        ) from None
    _check(path, dump, document)
    size = os.stat(dump).st_size
    if size != document["size"]:
        raise PostgresError(
            "corrupt",
            f"The dump {dump} is not what its sidecar describes.",
            found=f"{size} bytes",
            expected=f"{document['size']} bytes",
            fix="Use another dump: this one was cut off or changed.",
        )
    return Dump(dump, document)


def _check(path: str, dump: str, document: Any) -> None:
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise PostgresError(
            "bad_sidecar",
            f"The sidecar {path} is of an unknown format.",
            found=repr(found),
            expected=str(FORMAT),
        )
    wrong = [key for key, kind in _KEYS.items() if not isinstance(document.get(key), kind)]
    if wrong or document["file"] != os.path.basename(dump):
        raise PostgresError(
            "bad_sidecar",
            f"The sidecar {path} does not describe {os.path.basename(dump)}.",
            found=f"bad or missing: {', '.join(wrong or ['file'])}",
        )


def check_sha256(dump: Dump) -> None:
    """Read the whole dump and compare its SHA-256.

    Raises:
        PostgresError: They differ.
    """
    found = atomic_file.sha256(dump.path)
    if found != dump.sidecar["sha256"]:
        raise PostgresError(
            "corrupt",
            f"The dump {dump.path} is not what its sidecar describes.",
            found=f"SHA-256 {found}",
            expected=dump.sidecar["sha256"],
            fix="Use another dump: this one was damaged after it was written.",
        )


def write(dump: Dump) -> None:
    """Write the sidecar beside its dump, whole or not at all, mode 0600."""
    atomic_file.replace_json(sidecar_path(dump.path), dump.sidecar)


def scan(folder: str, database: str = "") -> tuple[list[Dump], list[str]]:
    """Every dump in a folder, the newest first, and the files that are not trusted.

    Args:
        folder: The folder; one that is not there is empty.
        database: Only dumps of this database; empty means all.
    """
    dumps: list[Dump] = []
    untrusted: list[str] = []
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    for name in names:
        if not name.endswith((".dump", ".dump.zst")) or name.startswith("."):
            continue
        try:
            dump = read(os.path.join(folder, name))
        except PostgresError:
            untrusted.append(os.path.join(folder, name))
            continue
        if not database or dump.database == database:
            dumps.append(dump)
    dumps.sort(key=lambda dump: (dump.finished_at, dump.path), reverse=True)
    return dumps, untrusted


def superfluous(dumps: list[Dump], keep: int) -> list[Dump]:
    """The dumps that retention deletes: all but the newest ``keep`` and the newest verified one.

    Args:
        dumps: Dumps of one database, the newest first, as :func:`scan` gives them.
        keep: How many stay; at least 1.
    """
    if keep < 1:
        raise ValueError(f"at least one dump is kept, not {keep}")
    newest_verified = next((dump for dump in dumps if dump.verified), None)
    return [dump for dump in dumps[keep:] if dump is not newest_verified]


def delete(dump: Dump) -> None:
    """Delete a dump, its sidecar first: a dump without one is never trusted."""
    os.unlink(sidecar_path(dump.path))
    os.unlink(dump.path)
    atomic_file.fsync_directory(os.path.dirname(dump.path) or ".")
