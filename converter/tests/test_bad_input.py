"""Bad input is named and skipped; the rest goes on; nothing is half written."""

import json
import os
from pathlib import Path

import pytest

from celery2q.cli import main

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


BAD = {
    "no Python": (b"celery (((\n", "no Python 3"),
    "Python 2": (b"import celery\nprint 'x'\n", "no Python 3"),
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


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_folder(tree: Path, capsys):
    locked = tree / "locked"
    locked.mkdir(mode=0)
    status, report = lint(tree, capsys)
    locked.chmod(0o755)
    assert status == 2 and report["skipped"][0]["path"] == "locked"


def test_an_unreadable_folder_as_any_user(tree: Path, capsys, monkeypatch):
    (tree / "locked").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    status, report = lint(tree, capsys)
    assert status == 2
    assert report["skipped"] == [{"path": "locked", "reason": "unreadable: Permission denied"}]
    assert any(item["path"] == "shop/tasks.py" for item in report["findings"])


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
