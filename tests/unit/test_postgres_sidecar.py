"""Sidecars of dumps: what is trusted, and what retention deletes."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_sidecar as sidecar
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError


def make(folder: Path, name: str, finished_at: str, *, verified: bool = False) -> sidecar.Dump:
    """A dump of a few bytes with a sound sidecar."""
    path = folder / name
    path.write_bytes(b"bytes of " + name.encode())
    document: dict[str, Any] = {
        "format": 1,
        "file": name,
        "database": {"name": "air_risk", "encoding": "UTF8", "collate": "C", "ctype": "C"},
        "size": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "finished_at": finished_at,
        "compression": {"by": "host", "level": 3},
        "server_version": "15.4",
        "server_version_num": 150004,
        "tables": {"public.a": 2, "public.b": 3},
        "large_objects": 0,
        "verified": {"at": finished_at} if verified else None,
    }
    dump = sidecar.Dump(str(path), document)
    sidecar.write(dump)
    return dump


def test_a_sidecar_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = make(tmp_path, "a.dump.zst", "2026-01-01T00:00:00+00:00", verified=True)
    dump = sidecar.read(made.path)
    assert dump == made
    sidecar.check_sha256(dump)
    assert (dump.rows, dump.verified, dump.database) == (5, True, "air_risk")
    assert stat.S_IMODE(os.stat(made.path + ".json").st_mode) == 0o600
    assert dump.summary()["tables"] == 2


def damage(document: dict[str, Any], **changes: Any) -> str:
    """The JSON text of a sidecar with other values."""
    return json.dumps({**document, **changes})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": 2}, "bad_sidecar"),
        ({"format": None}, "bad_sidecar"),
        ({"file": "another.dump"}, "bad_sidecar"),
        ({"sha256": None}, "bad_sidecar"),
        ({"tables": []}, "bad_sidecar"),
        ({"size": 1}, "corrupt"),
    ],
)
def test_what_a_sidecar_may_not_say(tmp_path: Path, changes: dict[str, Any], code: str) -> None:
    made = make(tmp_path, "a.dump", "2026-01-01T00:00:00+00:00")
    Path(made.path + ".json").write_text(damage(made.sidecar, **changes))
    with pytest.raises(PostgresError) as caught:
        sidecar.read(made.path)
    assert caught.value.code == code


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 1'])
def test_a_half_written_sidecar_is_not_trusted(tmp_path: Path, text: str) -> None:
    made = make(tmp_path, "a.dump", "2026-01-01T00:00:00+00:00")
    Path(made.path + ".json").write_text(text)
    with pytest.raises(PostgresError) as caught:
        sidecar.read(made.path)
    assert caught.value.code == "bad_sidecar"


def test_a_dump_without_a_sidecar_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "a.dump").write_bytes(b"x")
    with pytest.raises(PostgresError) as caught:
        sidecar.read(str(tmp_path / "a.dump"))
    assert caught.value.code == "no_sidecar"
    with pytest.raises(PostgresError) as caught:
        sidecar.read(str(tmp_path / "b.dump"))
    assert caught.value.code == "no_dump"


def test_one_changed_byte_is_found(tmp_path: Path) -> None:
    made = make(tmp_path, "a.dump", "2026-01-01T00:00:00+00:00")
    data = bytearray(Path(made.path).read_bytes())
    data[-1] ^= 1
    Path(made.path).write_bytes(data)
    with pytest.raises(PostgresError) as caught:
        sidecar.check_sha256(sidecar.read(made.path))
    assert caught.value.code == "corrupt"


# (verified of the dumps, the newest first; how many stay; which are deleted, by place)
RETENTION = [
    ([True, True, True, True], 2, [2, 3]),
    ([False, False, True, True], 2, [3]),
    ([False, False, False, True], 1, [1, 2]),
    ([False, False, False, False], 2, [2, 3]),
    ([True, False, False], 1, [1, 2]),
    ([True], 5, []),
    ([], 1, []),
]


@pytest.mark.parametrize(("verified", "keep", "deleted"), RETENTION)
def test_retention(tmp_path: Path, verified: list[bool], keep: int, deleted: list[int]) -> None:
    dumps = [
        make(tmp_path, f"{place}.dump", f"2026-01-{20 - place}T00:00:00+00:00", verified=good)
        for place, good in enumerate(verified)
    ]
    assert sidecar.superfluous(dumps, keep) == [dumps[place] for place in deleted]


def test_retention_keeps_at_least_one() -> None:
    with pytest.raises(ValueError, match="at least one"):
        sidecar.superfluous([], 0)


def test_a_folder_is_sorted_by_what_is_recorded_not_by_the_file_system(tmp_path: Path) -> None:
    older = make(tmp_path, "z.dump.zst", "2026-01-01T00:00:00+00:00")
    newer = make(tmp_path, "a.dump", "2026-01-02T00:00:00+00:00")
    os.utime(newer.path, (0, 0))
    (tmp_path / "x.dump").write_bytes(b"no sidecar")
    (tmp_path / ".b.dump.zst.partial").write_bytes(b"growing")
    (tmp_path / "manifest.json").write_text("{}")
    dumps, untrusted = sidecar.scan(str(tmp_path), "air_risk")
    assert [dump.path for dump in dumps] == [newer.path, older.path]
    assert untrusted == [str(tmp_path / "x.dump")]
    assert sidecar.scan(str(tmp_path), "another")[0] == []
    assert sidecar.scan(str(tmp_path / "none")) == ([], [])


def test_a_deleted_dump_is_gone_with_its_sidecar(tmp_path: Path) -> None:
    sidecar.delete(make(tmp_path, "a.dump", "2026-01-01T00:00:00+00:00"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("database", "stem"),
    [("air_risk", "air_risk-T"), ("../etc/x y", "_etc_x_y-T"), ("...", "database-T")],
)
def test_a_file_name_holds_no_path(database: str, stem: str) -> None:
    assert sidecar.file_stem(database, "T") == stem
