"""playbooks/convert.yml, run for real: a branch of commits, and nothing else in the checkout."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.convert_git import ConvertError
from ansible_collections.cutover.django_q.plugins.module_utils.convert_steps import SUBJECTS
from ansible_collections.cutover.django_q.plugins.modules.convert_branch import convert

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SAMPLE = ROOT / "examples/air_risk"
TASKS = "from celery import shared_task\n\n\n@shared_task\ndef send(pk):\n    return pk\n"
VIEWS = "from shop.tasks import send\n\n\ndef view(request):\n    send.delay(1)\n"
WAITS = VIEWS + "    return send.delay(2).get()\n"


def git(folder: Path, *arguments: str) -> str:
    """Run Git in a test's repository."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@dataclass
class Checkout:
    """A checkout and the place that a test has for itself.

    Attributes:
        folder: the checkout.
        temporary: TMPDIR of the playbook, which must be left empty.
    """

    folder: Path
    temporary: Path

    def state(self) -> dict[str, Any]:
        """All that must stay: refs, HEAD, index, working tree, and what stands beside."""
        there = git(self.folder, "rev-parse", "--absolute-git-dir")
        files = sorted(path for path in self.folder.rglob("*") if path.is_file())
        own = [path for path in files if ".git" not in path.relative_to(self.folder).parts]
        return {
            "refs": git(self.folder, "for-each-ref"),
            "head": Path(there, "HEAD").read_text(),
            "index": hashlib.sha256(Path(there, "index").read_bytes()).hexdigest(),
            "files": {str(path): path.read_bytes() for path in own},
            "beside": sorted(path.name for path in self.folder.parent.iterdir()),
        }

    def convert(self, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run the playbook."""
        self.temporary.mkdir(exist_ok=True)
        given = {
            "convert_source": str(self.folder),
            "convert_branch": "django-q",
            "convert_author_name": "Ann",
            "convert_author_email": "ann@example.org",
            **variables,
        }
        # Neither Ansible's nor Git's settings of the machine.
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("ANSIBLE_", "GIT_"))
        }
        env.update(
            ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"),
            ANSIBLE_NOCOLOR="1",
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_CONFIG_SYSTEM="/dev/null",
            TMPDIR=str(self.temporary),
        )
        done = subprocess.run(
            [BIN / "ansible-playbook", "playbooks/convert.yml", "-e", json.dumps(given), *options],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert list(self.temporary.iterdir()) == []
        return done


def made(tmp_path: Path, files: dict[str, str]) -> Checkout:
    """A checkout of one commit."""
    folder = tmp_path / "project"
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    git(tmp_path, "init", "-q", "-b", "main", "project")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "on Celery")
    return Checkout(folder, tmp_path.parent / f"{tmp_path.name}-temporary")


@pytest.fixture
def shop(tmp_path: Path) -> Checkout:
    """A project of one task and one view."""
    return made(tmp_path, {"shop/__init__.py": "", "shop/tasks.py": TASKS, "shop/views.py": VIEWS})


def changed(done: subprocess.CompletedProcess[str]) -> int:
    """How many tasks changed something, by the recap."""
    return int(re.search(r"localhost .*changed=(\d+)", done.stdout)[1])  # type: ignore[index]


def said(done: subprocess.CompletedProcess[str]) -> str:
    """All that was printed, as one line."""
    return re.sub(r"\s+", " ", done.stdout + done.stderr)


def test_the_sample_becomes_a_branch_with_a_commit_for_each_kind(tmp_path: Path) -> None:
    skipped = shutil.ignore_patterns(".env", "media", "__pycache__")
    source = made(tmp_path, {"README": "air_risk\n"})
    shutil.copytree(SAMPLE, source.folder, ignore=skipped, dirs_exist_ok=True)
    git(source.folder, "add", ".")
    git(source.folder, "commit", "-qm", "all of it")
    before = source.state()
    done = source.convert(convert_one_cluster=True)
    assert done.returncode == 0, done.stdout
    assert changed(done) == 1

    log = git(source.folder, "log", "--reverse", "--format=%s|%an <%ae>", "main..django-q")
    assert log.splitlines() == [f"{text}|Ann <ann@example.org>" for text in SUBJECTS.values()]
    last = git(source.folder, "log", "-1", "--format=%B", "django-q")
    assert f"Converted-from: {git(source.folder, 'rev-parse', 'main')}" in last
    assert "Converted-by: celery2q 0.1.0 --one-cluster" in last

    # The five commits come to what one conversion of everything makes.
    whole = tmp_path / "whole"
    git(tmp_path, "clone", "-q", "--branch", "main", str(source.folder), str(whole))
    command = [BIN / "celery2q", "convert", str(whole), "--write", "--one-cluster"]
    subprocess.run(command, check=True, capture_output=True)
    git(whole, "add", "--all")
    assert git(whole, "write-tree") == git(source.folder, "rev-parse", "django-q^{tree}")
    shutil.rmtree(whole)

    report = tmp_path / "project-django-q.md"
    text = report.read_text(encoding="utf-8")
    assert text.startswith("# From Celery to Django-Q2\n")
    for sha in git(source.folder, "log", "--format=%H", "main..django-q").split():
        assert f"| `{sha[:12]}` |" in text
    after = source.state()
    assert (
        after["refs"].replace(git(source.folder, "for-each-ref", "refs/heads/django-q"), "").strip()
        == before["refs"]
    )
    for key in ("head", "index", "files"):
        assert after[key] == before[key], key
    assert after["beside"] == sorted([*before["beside"], report.name])

    # Again: it says so, and changes nothing.
    again = source.convert(convert_one_cluster=True)
    assert again.returncode == 0, again.stdout
    assert changed(again) == 0
    assert "is there already, converted from the same commit" in said(again)
    assert source.state() == after
    # With another choice, or from another commit, it is another branch.
    other = source.convert()
    assert other.returncode == 2
    assert "now it would be from" in said(other)
    git(source.folder, "commit", "-q", "--allow-empty", "-m", "moved on")
    moved = source.convert(convert_one_cluster=True)
    assert moved.returncode == 2
    assert "the branch 'django-q' is there already, converted from" in said(moved)


def test_check_mode_shows_what_would_be_done_and_writes_nothing(shop: Checkout) -> None:
    before = shop.state()
    objects = git(shop.folder, "count-objects", "-v")
    done = shop.convert("--check", "--diff")
    assert done.returncode == 0, done.stdout
    assert changed(done) == 1
    assert "would get the branch django-q" in said(done)
    assert "-@shared_task" in done.stdout
    assert '+    async_task("shop.tasks.send", 1)' in done.stdout
    assert shop.state() == before
    assert git(shop.folder, "count-objects", "-v") == objects


def test_errors_that_are_left_are_listed_and_may_fail(shop: Checkout) -> None:
    (shop.folder / "shop/views.py").write_text(WAITS)
    (shop.folder / "shop/old.py").write_text("from celery import task\nprint 'x'\n")
    git(shop.folder, "add", ".")
    git(shop.folder, "commit", "-qm", "waits for a result")
    done = shop.convert()
    assert done.returncode == 0, done.stdout
    assert re.search(r"shop/views\.py:\d+: \[[a-z-]+\] ", said(done))
    assert "shop/old.py: skipped: no Python 3" in said(done)
    text = (shop.folder.parent / "project-django-q.md").read_text()
    assert text.index("## Left: errors") < text.index("## Changed")
    strict = shop.convert(convert_branch="strict", convert_fail_on_errors=True)
    assert strict.returncode == 2
    assert "1 findings of error level and 1 files that could not be read are left" in said(strict)
    assert git(shop.folder, "rev-parse", "strict^{tree}") == git(
        shop.folder, "rev-parse", "django-q^{tree}"
    )


def test_where_nothing_is_to_be_converted_no_branch_is_made(tmp_path: Path) -> None:
    source = made(tmp_path, {"shop/__init__.py": "", "shop/a.py": "x = 1\n"})
    before = source.state()
    done = source.convert()
    assert done.returncode == 0, done.stdout
    assert changed(done) == 0
    assert "No branch was made." in said(done)
    assert source.state() == before


def test_a_shallow_checkout_with_its_own_identity(shop: Checkout, tmp_path: Path) -> None:
    git(shop.folder, "commit", "-q", "--allow-empty", "-m", "second")
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{shop.folder}", str(shallow))
    git(shallow, "config", "user.name", "Bob")
    git(shallow, "config", "user.email", "bob@example.org")
    source = Checkout(shallow, shop.temporary)
    done = source.convert(convert_author_name="", convert_author_email="")
    assert done.returncode == 0, done.stdout
    assert git(shallow, "log", "-1", "--format=%an %ce", "django-q") == "Bob bob@example.org"
    assert git(shallow, "rev-parse", "--is-shallow-repository") == "true"
    assert git(shallow, "fsck", "--connectivity-only") == ""


def test_a_linked_worktree_and_a_project_in_a_folder(shop: Checkout, tmp_path: Path) -> None:
    git(shop.folder, "rm", "-q", "-r", "--cached", ".")
    (shop.folder / "backend").mkdir()
    (shop.folder / "shop").rename(shop.folder / "backend/shop")
    (shop.folder / "front").mkdir()
    (shop.folder / "front/tasks.py").write_text(TASKS)
    (shop.folder / ".gitignore").write_text("q_tasks.py\n")
    (shop.folder / "backend/shop/views.py").write_text(
        VIEWS.replace("send.delay(1)", "send.apply_async((1,), countdown=3)")
    )
    git(shop.folder, "add", ".")
    git(shop.folder, "commit", "-qm", "moved")
    linked = tmp_path / "linked"
    git(shop.folder, "worktree", "add", "-q", "-b", "work", str(linked))
    source = Checkout(linked, shop.temporary)
    done = source.convert(convert_dir="backend/")
    assert done.returncode == 0, done.stdout
    names = git(linked, "diff", "--name-only", "work", "django-q").split()
    # What the conversion needs is committed, though the project ignores such a name.
    assert "backend/shop/q_tasks.py" in names
    assert "backend/shop/tasks.py" in names
    assert not [name for name in names if name.startswith("front")]


def test_hooks_and_filters_of_the_checkout_do_not_run(shop: Checkout) -> None:
    trace = shop.folder.parent / "trace"
    hooks = shop.folder / ".git/hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("pre-commit", "post-checkout", "commit-msg", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {trace}\nexit 0\n")
        (hooks / name).chmod(0o755)
    assert shop.convert().returncode == 0
    assert not trace.exists()


Spoil = Callable[[Checkout], Any]
REFUSED: dict[str, tuple[Spoil, dict[str, Any], str]] = {
    "changed": (
        lambda shop: (shop.folder / "shop/tasks.py").write_text(TASKS + "\n"),
        {},
        "has changes that are in no commit: shop/tasks.py. Expected a clean checkout",
    ),
    "staged": (
        lambda shop: (
            (shop.folder / "shop/tasks.py").write_text(TASKS + "\n"),
            git(shop.folder, "add", "."),
        ),
        {},
        "has changes that are in no commit: shop/tasks.py",
    ),
    "untracked": (
        lambda shop: (shop.folder / "shop/new_tasks.py").write_text(TASKS),
        {},
        "has changes that are in no commit: shop/new_tasks.py",
    ),
    "absent": (lambda shop: None, {"source": "/nowhere"}, "there is no folder /nowhere"),
    "no checkout": (lambda shop: None, {"source": "/"}, "/ is no Git checkout"),
    "folder of a checkout": (
        lambda shop: None,
        {"source": "{}/shop"},
        "expected its top. Name the folder in convert_dir",
    ),
    "branch is there": (
        lambda shop: git(shop.folder, "branch", "django-q"),
        {},
        "is there already, and no commit of it says that it was converted from here",
    ),
    "branch is checked out": (
        lambda shop: None,
        {"branch": "main"},
        "the branch 'main' is there already",
    ),
    "branch below": (
        lambda shop: git(shop.folder, "branch", "django-q/old"),
        {},
        "cannot be made beside the branch 'django-q/old'",
    ),
    "branch above": (
        lambda shop: None,
        {"branch": "main/django-q"},
        "cannot be made beside the branch 'main'",
    ),
    "no name of a branch": (
        lambda shop: None,
        {"branch": "a..b"},
        "'a..b' is no name of a branch",
    ),
    "an option for a name": (
        lambda shop: None,
        {"branch": "--force"},
        "'--force' is no name of a branch",
    ),
    "report in the checkout": (
        lambda shop: None,
        {"report": "{}/report.md"},
        "is in the checkout, whose working tree is not to be touched",
    ),
    "report over a file": (
        lambda shop: (shop.folder.parent / "project-django-q.md").write_text("mine\n"),
        {},
        "is there and is no report of a conversion",
    ),
    "report nowhere": (
        lambda shop: None,
        {"report": "/nowhere/report.md"},
        "/nowhere is no folder that can be written to",
    ),
    "no converter": (
        lambda shop: None,
        {"executable": "/nowhere/celery2q"},
        "there is no program /nowhere/celery2q on the control node. `pip install ./converter`",
    ),
    "another program": (
        lambda shop: None,
        {"executable": "/bin/echo"},
        "/bin/echo is not celery2q",
    ),
    "no such folder": (
        lambda shop: None,
        {"dir": "nothing"},
        "has no folder 'nothing'",
    ),
    "nobody commits": (
        lambda shop: None,
        {"author_name": "", "author_email": ""},
        "set convert_author_name and convert_author_email",
    ),
}


@pytest.fixture
def bare_git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Git without the machine's settings; returns TMPDIR."""
    temporary = tmp_path.parent / f"{tmp_path.name}-temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    for key in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"GIT_CONFIG_{key}", "/dev/null")
    return temporary


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_changes_nothing(shop: Checkout, bare_git: Path, name: str) -> None:
    spoil, variables, words = REFUSED[name]
    spoil(shop)
    before = shop.state()
    given = {
        "source": str(shop.folder),
        "branch": "django-q",
        "dir": "",
        "executable": str(BIN / "celery2q"),
        "queues": {},
        "one_cluster": False,
        "archive": False,
        "report": "",
        "author_name": "Ann",
        "author_email": "ann@example.org",
        "timeout": 60,
        **{key: str(value).format(shop.folder) for key, value in variables.items()},
    }
    with pytest.raises(ConvertError, match=re.escape(words)):
        convert(given, dry=False, show=False)
    assert shop.state() == before
    assert list(bare_git.iterdir()) == []


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"convert_branch": ""}, "convert_branch is not set; expected -e convert_source="),
        ({"convert_source": "/nowhere"}, "convert_source: there is no folder /nowhere."),
    ],
)
def test_the_playbook_fails_with_the_reason(
    shop: Checkout, variables: dict[str, str], words: str
) -> None:
    done = shop.convert(**variables)
    assert done.returncode == 2
    assert words in said(done)
