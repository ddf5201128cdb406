"""The forms of a report, and the exit status."""

import json
import re
from pathlib import Path

import pytest

from celery2q.cli import main
from celery2q.context import all_rules
from celery2q.sources import LARGEST, wanted


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with one plain call."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "a.py").write_text("def send():\n    pass\n\n\nsend.delay()\n")
    return tmp_path


def test_text(tree: Path, capsys):
    assert main(["lint", str(tree)]) == 1
    out = capsys.readouterr().out
    assert "shop/a.py:5:1: error[plain-call] shop.a.send is a plain function" in out
    assert "1 errors, 0 warnings, 0 notes, 0 files skipped" in out


def test_json(tree: Path, capsys):
    assert main(["lint", str(tree), "--format", "json", "--statistics"]) == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    [finding] = report["findings"]
    assert finding["rule"] == "plain-call" and finding["fix"] and not finding["convertible"]
    assert report["python_files"] == 2 and "files_per_second" in captured.err


def test_sarif(tree: Path, capsys):
    assert main(["lint", str(tree), "--format", "sarif"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["version"] == "2.1.0"
    [run] = report["runs"]
    assert {rule["id"] for rule in run["tool"]["driver"]["rules"]} == {
        rule.id for rule in all_rules()
    }
    [result] = run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert result["level"] == "error" and place["region"]["startLine"] == 5
    assert place["artifactLocation"]["uri"] == "shop/a.py"


def test_a_clean_tree(tree: Path, capsys):
    (tree / "shop" / "a.py").write_text("")
    assert main(["lint", str(tree)]) == 0
    assert main(["convert", str(tree)]) == 0


def test_convert_shows_a_diff_and_writes_nothing(tree: Path, capsys):
    text = "from celery import shared_task\n\n\n@shared_task\ndef send():\n    pass\n"
    (tree / "shop" / "a.py").write_text(text)
    assert main(["convert", str(tree)]) == 0
    out = capsys.readouterr().out
    assert "--- a/shop/a.py\n+++ b/shop/a.py\n" in out and "-@shared_task" in out
    assert (tree / "shop" / "a.py").read_text() == text
    assert main(["convert", str(tree), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["settled_counts"]["task-decorator"] == 1


def test_rules_are_listed_and_explained(capsys):
    assert main(["rules"]) == 0
    assert "task-call" in capsys.readouterr().out
    assert main(["rules", "task-call"]) == 0
    assert "delay_on_commit" in capsys.readouterr().out
    assert main(["rules", "no-such"]) == 2


def test_what_is_read_is_described(capsys):
    assert main(["describe"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["rules"]) == {rule.id for rule in all_rules()}
    reads = document["reads"]
    for name in ("a.py", "requirements.txt", "Dockerfile.web", "Procfile", ".env", "photo.png"):
        by_description = Path(name).suffix in reads["suffixes"] or re.match(reads["names"], name)
        assert bool(by_description) is wanted(name), name
    assert ".git" in reads["skipped_folders"] and reads["largest"] == LARGEST


def test_a_queue_goes_where_it_is_told_to(tmp_path: Path, capsys):
    (tmp_path / "a.py").write_text(
        "from celery import shared_task\n\n\n@shared_task(queue='gis')\ndef send():\n"
        "    send.delay()\n"
    )
    for options, cluster in (
        ([], "cluster='gis'"),
        (["--queue", "gis=default"], ""),
        (["--queue", "gis=maps"], "cluster='maps'"),
        (["--one-cluster"], ""),
    ):
        main(["convert", str(tmp_path), *options])
        sent = f"+    async_task('a.send'{', ' if cluster else ''}{cluster})\n"
        assert sent in capsys.readouterr().out
    assert main(["convert", str(tmp_path), "--queue", "gis"]) == 2


def test_files_that_go_with_celery(tmp_path: Path, capsys):
    """They are removed, and what only they used goes too; a second run changes nothing."""
    files = {
        "celery2q.toml": 'remove = ["shop/seed.py", "shop/gone.py"]\n',
        "shop/__init__.py": "",
        "shop/settings.py": "INSTALLED_APPS = ['shop', 'django_celery_beat', 'django_q']\n",
        "shop/seed.py": "from django_celery_beat.models import PeriodicTask\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    assert main(["lint", str(tmp_path)]) == 1
    capsys.readouterr()
    assert main(["convert", str(tmp_path), "--write", "--format", "json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["written"] == ["shop/seed.py", "shop/settings.py"]
    assert report["settled_counts"] == {"celery-app": 1, "installed-apps": 1}
    assert not (tmp_path / "shop/seed.py").exists()
    settings = (tmp_path / "shop/settings.py").read_text()
    assert settings == "INSTALLED_APPS = ['shop', 'django_q']\n"
    assert main(["convert", str(tmp_path), "--format", "diff"]) == 0
    assert capsys.readouterr().out == ""


def test_the_app_is_archived_where_that_is_wanted(tmp_path: Path):
    text = "from celery import Celery\n\napp = Celery('shop')\napp.autodiscover_tasks()\n"
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "celery.py").write_text(text)
    main(["convert", str(tmp_path), "--write", "--archive"])
    assert not (tmp_path / "shop" / "celery.py").exists()
    assert (tmp_path / "shop" / "celery.py.archived").read_text() == text
    assert main(["convert", str(tmp_path), "--archive"]) == 0


def test_the_report_beside_another_form(tree: Path, tmp_path: Path, capsys):
    report = tmp_path / "report.md"
    assert main(["convert", str(tree), "--format", "json", "--report", str(report)]) == 1
    assert json.loads(capsys.readouterr().out)["counts"] == {"plain-call": 1}
    assert report.read_text().startswith("# From Celery to Django-Q2\n")
    assert main(["convert", str(tree), "--report", str(tmp_path / "no" / "report.md")]) == 2
    assert "--report" in capsys.readouterr().err
