"""A whole project through the converter, then run by Django-Q2's own worker.

Nothing of Django-Q2 is replaced: the tasks are sent to the ORM broker in a SQLite database and
run by `django_q.worker.worker` and `django_q.monitor.monitor`.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from celery2q.cli import main
from celery2q.context import KINDS

HERE = Path(__file__).parent
pytest.importorskip("django_q")


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    """The converted project."""
    folder = tmp_path_factory.mktemp("projects") / "shop"
    shutil.copytree(HERE / "projects" / "shop", folder)
    assert main(["convert", str(folder), "--write"]) == 0
    return folder


@pytest.fixture(scope="module")
def report(shop: Path) -> dict:
    """What the project says of itself after it ran."""
    done = subprocess.run(
        [sys.executable, str(HERE / "run_shop.py")], cwd=shop, capture_output=True, text=True
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("REPORT")]
    assert lines, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(lines[0].removeprefix("REPORT"))


def test_nothing_of_celery_is_left(shop: Path):
    text = "".join(path.read_text() for path in shop.rglob("*.py") if path.name != "q_tasks.py")
    assert "import Celery" not in text and "shared_task" not in text and ".delay" not in text
    assert not (shop / "shop" / "celery.py").exists()
    assert "celery" not in (shop / "requirements.txt").read_text()


def test_a_second_run_changes_nothing(shop: Path, capsys):
    assert main(["convert", str(shop)]) == 0
    assert capsys.readouterr().out == ""


def test_every_kind_of_task_runs(report: dict):
    runs = report["first"]
    assert report["keys"] == ["shop", "slow"]
    for wanted in (
        ["plain", 1, "mail"], ["plain", 2, "post"], ["other", 3], "routed",
        ["unbound", 6], ["late", 8], ["wrapped", 9, True], ["whole", 10], ["plain", 16, "mail"],
    ):  # fmt: skip
        assert runs.count(wanted) == 1, wanted
    assert runs.count(["plain", 13, "mail"]) == runs.count(["plain", 14, "mail"]) == 1


def test_names_that_async_task_swallows_reach_the_function(report: dict):
    assert ["reserved", 4, "a", "b"] in report["first"]


def test_a_bound_task_shows_what_a_caller_gives(report: dict):
    assert report["signature"] == "(order)"


def test_a_base_class_runs_its_hooks(report: dict):
    at = report["first"].index(["based", 7])
    assert report["first"][at - 1] == ["around", "mail.tasks.based"]
    assert report["first"][at + 1] == ["failed", "no"]


def test_a_chain_hands_its_result_on(report: dict):
    assert report["first"].count(["plain", 11, "mail"]) == 2
    assert report["first"].count(["plain", 12, "mail"]) == 1


def test_delays_and_retries_wait_in_the_queue(report: dict):
    waiting = dict(report["waiting"])
    assert waiting["mail.tasks.plain"] == pytest.approx(3600, abs=10)
    assert waiting["mail.tasks.again"] == pytest.approx(5, abs=3)
    assert waiting["mail.tasks.automatic"] == pytest.approx(1, abs=2)


def test_a_retry_keeps_its_id_and_counts(report: dict):
    first = [run for run in report["first"] if run[0] == "again"]
    later = [run for run in report["later"] if run[0] == "again"]
    assert [run[3] for run in first + later] == [0, 1, 2]
    assert len({run[2] for run in first + later}) == 1
    assert report["later"].count("automatic") == 1
    names = ["mail.tasks.again", "mail.tasks.automatic", "mail.tasks.based"]
    assert report["failures"] == names


def test_patch_task_stands_for_mock_patch_of_delay(report: dict):
    assert report["patched"] == 9


def test_setup_schedules(report: dict):
    made, rows, parked, parked_rows, again, _, unparked, unparked_rows, checked, _ = report["setup"]
    assert all("made" in line for line in made) and len(made) == 3
    assert all(repeats == -1 and future for _, repeats, future in rows)
    assert all("parked" in line for line in parked)
    assert all(repeats == 0 for _, repeats, _ in parked_rows)
    assert all("as it was" in line for line in again)
    assert all("corrected" in line for line in unparked)
    assert all(repeats == -1 and future for _, repeats, future in unparked_rows)
    assert checked == ["3 schedules are sound."]
    assert report["rows"] == [
        ["environment", "mail.tasks.bare", "5 3 * * *", None, None, None],
        ["nightly", "mail.tasks.plain", "*/15 0-4,22,23 * * 1-5", None, "(1,)", "slow"],
        ["often", "mail.tasks.other", None, 10, None, None],
    ]
    kind, message, count = report["refused"]
    assert kind == "CommandError" and "there is no function mail.gone" in message and count == 0


def test_kind_by_kind_gives_what_all_at_once_gives(shop: Path, tmp_path: Path):
    folder = tmp_path / "shop"
    shutil.copytree(HERE / "projects" / "shop", folder)
    for kind in KINDS:
        main(["convert", str(folder), "--write", "--kind", kind])
    for path in shop.rglob("*.py"):
        if "__pycache__" not in path.parts:
            assert (folder / path.relative_to(shop)).read_text() == path.read_text(), path.name
    assert not (folder / "shop" / "celery.py").exists()


def test_markdown(tmp_path: Path, capsys):
    folder = tmp_path / "shop"
    shutil.copytree(HERE / "projects" / "shop", folder)
    main(["convert", str(folder), "--format", "markdown"])
    text = capsys.readouterr().out
    assert text.startswith("# From Celery to Django-Q2\n") and "`shop/celery.py` (removed)" in text
