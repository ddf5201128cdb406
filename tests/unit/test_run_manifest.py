"""The manifest and the lock: whole or absent, owned, refused when unknown."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.action.run_lock import is_dead, process_started
from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.modules import run_lock, run_manifest


def test_dictionaries_merge_and_all_else_is_replaced() -> None:
    old = {"a": {"b": 1, "c": [1, 2]}, "d": 1}
    assert run_manifest.merged(old, {"a": {"c": [3]}, "e": {}}) == {
        "a": {"b": 1, "c": [3]},
        "d": 1,
        "e": {},
    }
    assert old == {"a": {"b": 1, "c": [1, 2]}, "d": 1}


def test_a_phase_closes_the_one_before() -> None:
    manifest = run_manifest.with_phase({"phases": []}, "backup", "", "t0")
    manifest = run_manifest.with_phase(manifest, "web", "", "t1")
    manifest = run_manifest.with_phase(manifest, "", "failed", "t2")
    assert manifest["phases"] == [
        {"name": "backup", "start": "t0", "end": "t1", "outcome": "ok"},
        {"name": "web", "start": "t1", "end": "t2", "outcome": "failed"},
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no manifest"),
        ("{", "cannot be read"),
        ('{"format": 99}', "has the format 99"),
        ("[]", "has the format None"),
    ],
)
def test_what_is_no_manifest_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(run_manifest.ManifestError, match=sentence):
        run_manifest.read(str(path))


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    atomic_file.replace(str(path), b"new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        atomic_file.replace(str(path), b"new")
    assert [item.name for item in tmp_path.iterdir()] == ["file"]


def test_a_file_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    atomic_file.create(str(path), b"first")
    with pytest.raises(FileExistsError):
        atomic_file.create(str(path), b"second")
    assert path.read_text() == "first"
    assert [item.name for item in tmp_path.iterdir()] == ["lock"]


def test_a_lock_is_owned_by_one_process_of_one_run() -> None:
    owner = {"host": "a", "pid": 7, "pid_started": "x"}
    held = {**owner, "run_id": "r"}
    assert run_lock.owns(held, "r", owner)
    assert not run_lock.owns(held, "other", owner)
    assert not run_lock.owns(held, "r", {**owner, "pid_started": "y"})


def test_the_refusal_names_the_holder_and_the_command(tmp_path: Path) -> None:
    held = {"run_id": "r1", "user": "ana", "host": "desk", "pid": 7, "since": "noon"}
    text = run_lock.refusal("/var/lib/x/lock", held)
    for part in ("r1", "ana", "desk", "noon", "rm /var/lib/x/lock"):
        assert part in text


def test_a_half_written_lock_still_counts_as_held(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("{")
    assert run_lock.read(str(path)) == {"unreadable": True}


def test_only_a_dead_process_of_this_machine_is_dead() -> None:
    me = {"host": "here"}
    alive = {"host": "here", "pid": os.getpid(), "pid_started": process_started(os.getpid())}
    assert not is_dead(alive, me)
    assert is_dead({**alive, "pid_started": "boot/1"}, me)
    assert not is_dead({**alive, "host": "there", "pid_started": "boot/1"}, me)
    assert not is_dead({**alive, "pid_started": ""}, me)


def test_the_manifest_is_json_that_people_can_read(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    atomic_file.replace_json(str(path), {"format": 1, "name": "é"})
    assert json.loads(path.read_text()) == {"format": 1, "name": "é"}
    assert "é" in path.read_text()
