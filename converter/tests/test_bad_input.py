"""Bad input is named and skipped; the rest goes on; nothing is half written."""

import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import libcst as cst
import pytest

from celery2q.cli import main
from celery2q.config import Config
from celery2q.context import Rule
from celery2q.engine import convert, write
from celery2q.findings import Edit, Finding, Level, TextEdit
from celery2q.sources import read_tree

GOOD = "from celery import shared_task\n\n\n@shared_task\ndef send():\n    send.delay()\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small project that converts."""
    folder = tmp_path / "project"
    (folder / "shop").mkdir(parents=True)
    (folder / "shop" / "__init__.py").write_text("")
    (folder / "shop" / "tasks.py").write_text(GOOD)
    return folder


def lint(tree: Path, capsys) -> tuple[int, dict]:
    """Exit status and report of the linter."""
    status = main(["lint", str(tree), "--format", "json"])
    return status, json.loads(capsys.readouterr().out)


HERE = f"Python {sys.version_info.major}.{sys.version_info.minor}"
BAD = {
    "no Python": (b"celery (((\n", "no Python 3"),
    "Python 2": (b"import celery\nprint 'x'\n", f"no Python 3 that {HERE} can read (line 2: "),
    "not UTF-8": (b"# celery \xff\xfe\n", "neither UTF-8"),
    "an unknown encoding": (b"# coding: klingon\nimport celery\n", "neither UTF-8"),
    "a null byte": (b"import celery\n\x00\n", "null bytes"),
}


@pytest.mark.parametrize(("data", "reason"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_read(tree: Path, capsys, data: bytes, reason: str):
    bad = tree / "shop" / "bad.py"
    bad.write_bytes(data)
    status, report = lint(tree, capsys)
    assert status == 2
    assert [item["path"] for item in report["skipped"]] == ["shop/bad.py"]
    assert reason in report["skipped"][0]["reason"]
    assert any(item["path"] == "shop/tasks.py" for item in report["findings"])
    assert main(["convert", str(tree), "--write"]) == 1
    assert bad.read_bytes() == data
    assert "async_task" in (tree / "shop" / "tasks.py").read_text()


def test_a_link_out_of_the_tree(tree: Path, tmp_path: Path, capsys):
    outside = tmp_path / "outside.py"
    outside.write_text(GOOD)
    (tree / "shop" / "link.py").symlink_to(outside)
    (tree / "away").symlink_to(tmp_path)
    (tree / "shop" / "inside.py").symlink_to(tree / "shop" / "tasks.py")
    status, report = lint(tree, capsys)
    assert status == 2
    assert {item["path"] for item in report["skipped"]} == {"shop/link.py", "away"}
    main(["convert", str(tree), "--write"])
    assert outside.read_text() == GOOD
    assert (tree / "shop" / "inside.py").is_symlink()


@contextmanager
def nobody() -> Iterator[None]:
    """Somebody whom the file system refuses what modes forbid, which root never is."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_an_unreadable_folder(capsys):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "a.py").write_text(GOOD)
        assert lint(folder, capsys)[0] == 1  # what is imported late is imported now
        (folder / "locked").mkdir(mode=0)
        try:
            with nobody():
                status, report = lint(folder, capsys)
        finally:
            (folder / "locked").chmod(0o755)
    assert status == 2
    assert report["skipped"] == [{"path": "locked", "reason": "unreadable: Permission denied"}]
    assert any(item["path"] == "a.py" for item in report["findings"])


def test_a_folder_that_takes_no_files(capsys):
    """Nothing is written, not even the files that come before."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        (folder / "b").mkdir()
        for path in ("a.py", "b/c.py"):
            (folder / path).write_text(GOOD)
        main(["convert", name])  # what is imported late is imported now
        (folder / "b").chmod(0o555)
        try:
            with nobody():
                status = main(["convert", name, "--write"])
        finally:
            (folder / "b").chmod(0o755)
        assert {path.name for path in folder.rglob("*")} == {"a.py", "b", "c.py"}
        assert {path.read_text() for path in folder.rglob("*.py")} == {GOOD}
    assert status == 2
    assert "b/c.py: its folder cannot be written to" in capsys.readouterr().err


def test_a_new_file_does_not_leave_the_tree(tree: Path, tmp_path: Path, capsys):
    """The folder that the command would be written into is a link to somewhere else."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "shop" / "management").symlink_to(outside)
    (tree / "shop" / "celery.py").write_text(
        "from celery import Celery\n\napp = Celery('shop')\n"
        "app.conf.beat_schedule = {'a': {'task': 'shop.tasks.send', 'schedule': 60}}\n"
    )
    before = {path: path.read_bytes() for path in tree.rglob("*.py")}
    assert main(["convert", str(tree), "--write"]) == 2
    assert "its folder is a symbolic link out of the tree" in capsys.readouterr().err
    assert list(outside.iterdir()) == []
    assert {path: path.read_bytes() for path in tree.rglob("*.py")} == before


def test_a_file_that_is_too_large_is_named(tree: Path, capsys):
    (tree / "shop" / "data.py").write_text("# celery\n" + "#" * 2_000_000)
    (tree / "shop" / "data.json").write_text("#" * 2_000_001)
    status, report = lint(tree, capsys)
    assert status == 2
    assert report["skipped"] == [{"path": "shop/data.py", "reason": "larger than 2000000 bytes"}]


def test_a_script_of_a_packages_name_hides_nothing(tree: Path, capsys):
    """`import celery` is Celery, though a folder that is no package has a celery.py."""
    (tree / "deploy").mkdir()
    (tree / "deploy" / "celery.py").write_text("x = 1\n")
    (tree / "deploy" / "math.py").write_text("y = 1\n")
    (tree / "shop" / "a.py").write_text(
        "from django_q.tasks import async_task\n\nasync_task('math.sqrt', 1)\n"
    )
    _, report = lint(tree, capsys)
    found = {(item["path"], item["rule"]) for item in report["findings"]}
    assert ("shop/tasks.py", "celery-import") in found
    assert ("shop/a.py", "async-call") not in found


def rule_of(edit) -> Rule:
    """A rule with one finding in shop/tasks.py, which an edit settles."""
    found = Finding("made-up", Level.ERROR, "shop/tasks.py", 6, 1, "It is.", "Change it.", (edit,))
    return Rule("made-up", "Made up.", SimpleNamespace(check=lambda _: [found]))


@pytest.mark.parametrize(
    "edit",
    [
        Edit("Name", 6, 4, lambda _: cst.Name("no name")),
        Edit("Name", 6, 4, lambda _: cst.Name("lambda")),
        TextEdit("shop/tasks.py", lambda text: text + "((("),
    ],
    ids=["no name", "a word of the language", "a text"],
)
def test_an_edit_that_would_leave_no_python_is_not_made(tree: Path, edit):
    before = (tree / "shop" / "tasks.py").read_bytes()
    result = convert(read_tree(tree), Config(), [rule_of(edit)])
    write(result)
    assert (tree / "shop" / "tasks.py").read_bytes() == before
    [problem] = result.problems
    assert problem.path == "shop/tasks.py" and problem.reason.startswith("left as it was")
    assert result.settled == []


def test_every_file_is_read_once(tree: Path, capsys, monkeypatch):
    reads: Counter[str] = Counter()
    real = Path.read_bytes

    def read_bytes(self):
        reads[self.name] += 1
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    main(["convert", str(tree)])
    main(["lint", str(tree)])
    assert reads == {"__init__.py": 2, "tasks.py": 2}


def test_a_text_in_another_encoding_is_no_problem(tree: Path, capsys):
    (tree / "LICENSE.txt").write_bytes(b"\xa9 celery\n")
    (tree / "requirements.txt").write_bytes(b"# \xa9\ncelery\npillow\n")
    status, report = lint(tree, capsys)
    assert status == 1 and report["skipped"] == []
    main(["convert", str(tree), "--write"])
    assert (tree / "requirements.txt").read_bytes().startswith(b"# \xa9\n")


def test_names_that_stand_for_themselves(tree: Path, capsys):
    """Names that are bound by way of themselves lead nowhere, and not for ever."""
    (tree / "shop" / "loops.py").write_text(
        "from celery import shared_task\n\na = b.c\nb = a.c\nb.delay()\n\n\n"
        "def up():\n    x = x.parent\n    x.delay()\n"
    )
    status, report = lint(tree, capsys)
    assert status == 1 and report["skipped"] == []
    assert any(item["path"] == "shop/loops.py" for item in report["findings"])


def test_nothing_to_read(tmp_path: Path, capsys):
    assert main(["lint", str(tmp_path / "absent")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["convert", str(tmp_path / "empty")]) == 2
    assert "nothing could be read" in capsys.readouterr().err


def test_a_wrong_choice(tree: Path, capsys):
    (tree / "celery2q.toml").write_text("cluster = 1\n")
    assert main(["lint", str(tree)]) == 2
    assert "unknown key 'cluster'" in capsys.readouterr().err


def test_line_ends_encoding_and_mode_stay(tree: Path):
    path = tree / "shop" / "tasks.py"
    text = "# -*- coding: latin-1 -*-\n# é\n" + GOOD + "\n\nx = '\u00fc'\n"
    path.write_bytes(text.replace("\n", "\r\n").encode("latin-1"))
    path.chmod(0o750)
    main(["convert", str(tree), "--write"])
    data = path.read_bytes()
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert "# é\r\n" in data.decode("latin-1") and "'\u00fc'" in data.decode("latin-1")
    assert b"async_task('shop.tasks.send')" in data
    assert path.stat().st_mode & 0o777 == 0o750


def test_columns_after_characters_that_are_wide_in_utf8(tree: Path):
    path = tree / "shop" / "a.py"
    path.write_text("from shop.tasks import send\n\nx = ['é', 'ü', send.delay()]\n")
    main(["convert", str(tree), "--write"])
    assert "x = ['é', 'ü', async_task('shop.tasks.send')]" in path.read_text()


def test_a_write_that_fails_leaves_whole_files(tree: Path, monkeypatch, capsys):
    def replace(source, target):
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(os, "replace", replace)
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert main(["convert", str(tree), "--write"]) == 2
    after = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert before == after
    assert "No space left" in capsys.readouterr().err


def test_an_ignored_line(tree: Path, capsys):
    path = tree / "shop" / "tasks.py"
    path.write_text(
        "def send():\n    pass\n\n\n"
        "send.delay()  # celery2q: ignore[plain-call] a test of what is missing\n"
        "send.delay()  # celery2q: ignore[plain-call]\n"
    )
    _, report = lint(tree, capsys)
    found = [(item["rule"], item["line"]) for item in report["findings"]]
    assert found == [("ignore-without-reason", 6), ("plain-call", 6)]
