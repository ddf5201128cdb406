"""Tars that must not be trusted, and trees that are laid over a folder and lifted off again."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.release_tree import (
    TreeError,
    files_below,
    keep_originals,
    lay,
    lift,
    plan_overlay,
    stripped,
    unpack,
)


def tar_of(*members: tuple[str, bytes | str, str], mode: str = "w") -> io.BytesIO:
    """A tar of (name, content or link target, kind) where kind is file, link, hard, dir, fifo."""
    kinds = {"link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for name, content, kind in members:
            info = tarfile.TarInfo(name)
            if kind == "file":
                data = content.encode() if isinstance(content, str) else content
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
                continue
            info.type = tarfile.DIRTYPE if kind == "dir" else kinds[kind]
            info.linkname = content if isinstance(content, str) else ""
            tar.addfile(info)
    stream.seek(0)
    return stream


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_good_tar_is_unpacked(tmp_path: Path, mode: str) -> None:
    stream = tar_of(
        ("./app", "", "dir"),
        ("./app/a.py", "a", "file"),
        ("app/link", "a.py", "link"),
        ("app/hard.py", "app/a.py", "hard"),
        mode=mode,
    )
    assert unpack(stream, str(tmp_path / "tree")) == 3
    assert (tmp_path / "tree/app/hard.py").read_text() == "a"
    assert os.readlink(tmp_path / "tree/app/link") == "a.py"


def test_leading_parts_are_left_out(tmp_path: Path) -> None:
    stream = tar_of(("app-2.0", "", "dir"), ("app-2.0/a.py", "a", "file"))
    assert unpack(stream, str(tmp_path / "tree"), strip=1) == 1
    assert files_below(str(tmp_path / "tree")) == ["a.py"]
    assert stripped("./app-2.0/", 1) is None


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([("../evil", "x", "file")], "leads out"),
        ([("a/../../evil", "x", "file")], "leads out"),
        ([("/etc/evil", "x", "file")], "leads out"),
        ([("out", "/etc", "link")], "outside the release"),
        ([("a/out", "../../etc", "link")], "outside the release"),
        ([("d", ".", "link"), ("d/e", "..", "link")], "through a symbolic link"),
        ([("d", "sub", "link"), ("d/x", "x", "file")], "through a symbolic link"),
        ([("h", "../../etc/passwd", "hard")], "not in it"),
        ([("p", "", "fifo")], "neither a file"),
    ],
)
def test_a_tar_that_leads_out_is_refused(
    tmp_path: Path, members: list[tuple[str, str, str]], reason: str
) -> None:
    with pytest.raises(TreeError, match=reason):
        unpack(tar_of(*members), str(tmp_path / "tree"))
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    "content", [b"no tar at all", b"", b"PK\x03\x04 a zip"], ids=["text", "empty", "zip"]
)
def test_what_is_no_tar_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(TreeError, match=r"no whole tar|cut short"):
        unpack(io.BytesIO(content), str(tmp_path / "tree"))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_that_is_cut_is_refused(tmp_path: Path, mode: str) -> None:
    whole = tar_of(("a", os.urandom(60_000), "file"), mode=mode).getvalue()
    with pytest.raises(TreeError, match=r"no whole tar|cut short"):
        unpack(io.BytesIO(whole[: len(whole) // 2]), str(tmp_path / "tree"))


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A release's tree, a project with files of its own, and a run's folder."""
    tree, project, run = tmp_path / "tree", tmp_path / "project", tmp_path / "run"
    for folder in (tree / "app/new", project / "app", project / "media", run):
        folder.mkdir(parents=True)
    (tree / "app/tasks.py").write_text("new")
    (tree / "app/same.py").write_text("same")
    (tree / "app/new/a.py").write_text("a")
    (tree / ".env").write_text("SAMPLE=1")
    (project / "app/tasks.py").write_text("old")
    (project / "app/tasks.py").chmod(0o640)
    (project / "app/same.py").write_text("same")
    (project / "app/celery.py").write_text("celery")
    (project / ".env").write_text("REAL=1")
    (project / "media/x.tif").write_text("data")
    return tree, project, run


def content(folder: Path) -> dict[str, tuple[str, int]]:
    """Text and mode of every file below a folder."""
    return {
        name: ((folder / name).read_text(), (folder / name).stat().st_mode & 0o777)
        for name in files_below(str(folder))
    }


def test_a_tree_is_laid_and_lifted(sides: tuple[Path, Path, Path]) -> None:
    tree, project, run = sides
    before = content(project)
    plan = plan_overlay(str(tree), str(project), [".env"], ["app/celery.py", "app/gone.py"])
    assert plan == {
        "created": ["app/new/a.py"],
        "folders": ["app/new"],
        "replaced": ["app/tasks.py"],
        "removed": ["app/celery.py"],
    }
    tar = str(run / "replaced.tar")
    keep_originals(str(project), plan, tar)
    assert lay(str(tree), str(project), plan)
    assert not lay(str(tree), str(project), plan)
    now = content(project)
    assert now["app/tasks.py"][0] == "new"
    assert now[".env"] == before[".env"]
    assert "app/celery.py" not in now
    assert lift(str(project), plan, tar, str(run / "scratch"))
    assert content(project) == before
    assert not (project / "app/new").exists()
    assert not lift(str(project), plan, tar, str(run / "scratch"))


def test_a_half_laid_tree_is_lifted(sides: tuple[Path, Path, Path]) -> None:
    tree, project, run = sides
    before = content(project)
    plan = plan_overlay(str(tree), str(project), [".env"], ["app/celery.py"])
    keep_originals(str(project), plan, str(run / "replaced.tar"))
    (project / "app/tasks.py").write_text("new")
    assert lift(str(project), plan, str(run / "replaced.tar"), str(run / "scratch"))
    assert content(project) == before


def test_a_file_in_the_place_of_a_folder_is_refused(sides: tuple[Path, Path, Path]) -> None:
    tree, project, _ = sides
    (project / "app/new").write_text("a file")
    with pytest.raises(TreeError, match="in the place of one of its folders"):
        plan_overlay(str(tree), str(project), [], [])


def test_a_link_out_of_the_project_is_not_followed(
    sides: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    tree, project, _ = sides
    (tmp_path / "data").mkdir()
    (project / "app/new").symlink_to(tmp_path / "data")
    with pytest.raises(TreeError, match="leads out of"):
        plan_overlay(str(tree), str(project), [], [])
