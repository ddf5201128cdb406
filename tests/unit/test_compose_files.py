"""Compose files on the host: reading, keeping, linking, replacing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.filter.compose_install_steps import (
    compose_install_steps,
)
from ansible_collections.cutover.django_q.plugins.module_utils import compose_files as files
from ansible_collections.cutover.django_q.plugins.modules import compose_install


def test_the_target_releases_own_file_is_the_base(tmp_path: Path) -> None:
    project, tree = tmp_path / "project", tmp_path / "tree"
    project.mkdir()
    tree.mkdir()
    (project / "c.yml").write_text("old\n")
    (project / "c.yml").chmod(0o640)
    read = files.read_original(str(project), "", "c.yml")
    assert (read.data, read.base, read.mode) == (b"old\n", b"old\n", 0o640)
    (tree / "c.yml").write_text("new\n")
    read = files.read_original(str(project), str(tree), "c.yml")
    assert (read.data, read.base) == (b"old\n", b"new\n")
    (project / "c.yml").unlink()
    read = files.read_original(str(project), str(tree), "c.yml")
    assert (read.data, read.base, read.sha256_before) == (None, b"new\n", "")
    with pytest.raises(files.FilesError, match="is not there"):
        files.read_original(str(project), "", "c.yml")


def test_a_kept_copy_never_leaves_its_folder_and_never_loses_another(tmp_path: Path) -> None:
    assert files.kept_name("../a/./b.yml") == "__/a/b.yml"
    assert files.kept_name("/etc/a.yml") == "etc/a.yml"
    one, wrote = files.keep(str(tmp_path), "d/c.yml", b"one", overwrite=False)
    assert wrote
    assert stat.S_IMODE(os.stat(one).st_mode) == 0o600
    assert files.keep(str(tmp_path), "d/c.yml", b"one", overwrite=False) == (one, False)
    two, wrote = files.keep(str(tmp_path), "d/c.yml", b"two", overwrite=False)
    assert wrote
    assert two != one
    assert Path(one).read_bytes() == b"one"
    assert files.keep(str(tmp_path), "d/c.yml", b"two", overwrite=False) == (two, False)
    assert files.keep(str(tmp_path), "d/c.yml", b"three") == (one, True)


def test_two_trees_become_one_of_links(tmp_path: Path) -> None:
    for name in ("tree/a", "tree/d/x", "project/a", "project/d/y", "project/.git/h", "project/e/z"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    files.link_trees(str(tmp_path / "joined"), str(tmp_path / "tree"), str(tmp_path / "project"))
    found = {name: (tmp_path / "joined" / name).read_text() for name in ("a", "d/x", "d/y", "e/z")}
    assert found == {"a": "tree/a", "d/x": "tree/d/x", "d/y": "project/d/y", "e/z": "project/e/z"}
    assert not (tmp_path / "joined/.git").exists()


def recorded(tmp_path: Path) -> dict[str, object]:
    """A file that was edited, as it is recorded."""
    for name in ("old", "new"):
        (tmp_path / name).write_text(name)
    return {
        "path": "c.yml",
        "original": str(tmp_path / "old"),
        "candidate": str(tmp_path / "new"),
        "sha256_before": compose_install.digest(b"old"),
        "sha256_base": compose_install.digest(b"old"),
        "sha256_after": compose_install.digest(b"new"),
        "mode": "0640",
        "uid": os.getuid(),
        "gid": os.getgid(),
    }


def test_steps_there_and_back(tmp_path: Path) -> None:
    item = recorded(tmp_path)
    (tmp_path / "c.yml").write_text("old")
    (tmp_path / "c.yml").chmod(0o604)
    for state, text in (("after", "new"), ("after", "new"), ("before", "old"), ("before", "old")):
        wanted = compose_install_steps([item], state)
        step = compose_install.step_of(str(tmp_path), wanted[0])
        assert compose_install.strangers([step], wanted) == []
        assert step.needed == ((tmp_path / "c.yml").read_text() != text)
        step.put(step.new)
        assert (tmp_path / "c.yml").read_text() == text
        assert stat.S_IMODE((tmp_path / "c.yml").stat().st_mode) == 0o604


def test_a_file_that_was_not_there_is_removed_again(tmp_path: Path) -> None:
    item = {**recorded(tmp_path), "original": "", "sha256_before": ""}
    step = compose_install.step_of(str(tmp_path), compose_install_steps([item], "after")[0])
    assert step.old is None
    step.put(step.new)
    assert stat.S_IMODE((tmp_path / "c.yml").stat().st_mode) == 0o640
    step = compose_install.step_of(str(tmp_path), compose_install_steps([item], "before")[0])
    step.put(step.new)
    assert not (tmp_path / "c.yml").exists()


def test_a_file_that_somebody_changed_is_a_stranger(tmp_path: Path) -> None:
    (tmp_path / "c.yml").write_text("mine")
    wanted = compose_install_steps([recorded(tmp_path)], "after")
    step = compose_install.step_of(str(tmp_path), wanted[0])
    assert compose_install.strangers([step], wanted) == [step]


def test_a_copy_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    wanted = compose_install_steps([recorded(tmp_path)], "after")
    (tmp_path / "new").write_text("ne")
    with pytest.raises(files.FilesError, match="not whole"):
        compose_install.step_of(str(tmp_path), wanted[0])
    (tmp_path / "new").unlink()
    with pytest.raises(files.FilesError, match="cannot be read"):
        compose_install.step_of(str(tmp_path), wanted[0])


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "c.yml").write_text("old")
    (tmp_path / "c.yml").symlink_to("shared/c.yml")
    wanted = compose_install_steps([recorded(tmp_path)], "after")
    step = compose_install.step_of(str(tmp_path), wanted[0])
    step.put(step.new)
    assert (tmp_path / "c.yml").is_symlink()
    assert (tmp_path / "shared" / "c.yml").read_text() == "new"


def test_files_that_never_change_need_no_step(tmp_path: Path) -> None:
    item = recorded(tmp_path)
    item["sha256_after"] = item["sha256_before"]
    assert compose_install_steps([item], "after") == []
