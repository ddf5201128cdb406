"""Reading a host: the pure parsers, and Git on a real repository."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_host import (
    described,
    existing_parent,
    parse_size,
    parse_status,
    parse_tree,
    read_current,
    read_git,
    read_json,
    read_room,
    read_target,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import Git


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64.5MiB", int(64.5 * 2**20)),
        ("1.2GiB", int(1.2 * 2**30)),
        ("512B", 512),
        ("3kB", 3000),
        ("--", 0),
        ("", 0),
    ],
)
def test_sizes_as_docker_prints_them(text: str, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" M a.py\0", [{"status": "M", "path": "a.py"}]),
        (
            "D  a b.py\0 M c.py\0",
            [{"status": "D", "path": "a b.py"}, {"status": "M", "path": "c.py"}],
        ),
        (
            "R  new.py\0old.py\0 M c.py\0",
            [{"status": "R", "path": "new.py"}, {"status": "M", "path": "c.py"}],
        ),
    ],
)
def test_status(text: str, expected: list[dict[str, str]]) -> None:
    assert parse_status(text) == expected


def test_tree() -> None:
    names = [
        "manage.py",
        "reports/management/__init__.py",
        "reports/management/commands/__init__.py",
        "reports/management/commands/setup_schedules.py",
        "air_risk/celery_task_names.json",
    ]
    assert parse_tree(names) == {
        "commands": ["setup_schedules"],
        "task_names": "air_risk/celery_task_names.json",
    }
    assert parse_tree([]) == {"commands": [], "task_names": None}


def test_services_without_their_environment() -> None:
    config = {"services": {"web": {"command": ["run"], "environment": {"SECRET_KEY": "x"}}}}
    container = {"service": "web", "name": "p-web-1"}
    other = {"service": "gone", "name": "p-gone-1"}
    assert described(config, [container, other], {"web": "aa"}) == {
        "web": {"command": ["run"], "hash": "aa", "containers": [container]}
    }


def test_room_of_a_folder_that_is_to_be_made(tmp_path: Path) -> None:
    wanted = tmp_path / "a" / "b"
    assert existing_parent(str(wanted)) == str(tmp_path)
    room = read_room(str(wanted))
    assert room["path"] == str(wanted)
    assert room["device"] == tmp_path.stat().st_dev
    assert 0 < room["free"] <= room["size"]


def test_json_that_is_not_there_or_broken(tmp_path: Path) -> None:
    assert read_json(str(tmp_path / "none")) == {}
    (tmp_path / "half").write_text('{"run_id": ')
    assert read_json(str(tmp_path / "half")) == {"unreadable": True}
    (tmp_path / "list").write_text("[]")
    assert read_json(str(tmp_path / "list")) == {"unreadable": True}


def test_what_the_current_run_says(tmp_path: Path) -> None:
    assert read_current(str(tmp_path)) == {"run_id": None, "state": None, "edited": []}
    (tmp_path / "runs" / "r1").mkdir(parents=True)
    (tmp_path / "current").symlink_to("runs/r1")
    manifest = {
        "run_id": "r1",
        "state": "migrated",
        "compose_services": {"files": [{"sha256_after": "aa"}, {"sha256_after": None}]},
    }
    (tmp_path / "runs" / "r1" / "manifest.json").write_text(json.dumps(manifest))
    assert read_current(str(tmp_path)) == {"run_id": "r1", "state": "migrated", "edited": ["aa"]}


def run(folder: Path, *arguments: str) -> str:
    """Run git as a fixed author."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone whose remote has one tag more than it."""
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    command = origin / "app" / "management" / "commands" / "setup_schedules.py"
    origin.mkdir()
    run(origin, "init", "-q", "-b", "main")
    (origin / "file").write_text("one\n")
    run(origin, "add", ".")
    run(origin, "commit", "-qm", "one")
    run(origin, "tag", "celery")
    run(tmp_path, "clone", "-q", str(origin), str(clone))
    command.parent.mkdir(parents=True)
    command.write_text("")
    run(origin, "add", ".")
    run(origin, "commit", "-qm", "two")
    run(origin, "tag", "-a", "django-q", "-m", "annotated")
    return clone


def test_a_clean_checkout(checkout: Path) -> None:
    facts = read_git(Git(str(checkout)))
    assert facts["error"] == ""
    assert facts["branch"] == "main"
    assert facts["describe"] == "celery"
    assert facts["changes"] == []
    assert facts["sha"] == run(checkout, "rev-parse", "HEAD").strip()


def test_changes_are_named_by_their_whole_path(checkout: Path) -> None:
    (checkout / "file").write_text("changed\n")
    (checkout / "untracked").write_text("x\n")
    facts = read_git(Git(str(checkout)))
    assert [item["path"] for item in facts["changes"]] == [str(checkout / "file")]


def test_a_detached_head_has_no_branch(checkout: Path) -> None:
    run(checkout, "checkout", "-q", "--detach")
    assert read_git(Git(str(checkout)))["branch"] is None


def test_no_checkout(tmp_path: Path) -> None:
    facts = read_git(Git(str(tmp_path)))
    assert not facts["checkout"]
    assert "no Git checkout" in facts["error"]


def test_a_ref_of_the_remote_that_is_not_here(checkout: Path) -> None:
    facts = read_target(Git(str(checkout)), "django-q")
    origin = checkout.parent / "origin"
    assert facts["error"] == ""
    assert facts["sha"] == run(origin, "rev-parse", "django-q^{commit}").strip()
    assert facts["local"] is False
    assert facts["tree"] is None
    assert run(checkout, "tag").split() == ["celery"], "nothing was fetched"


def test_a_ref_that_is_here_shows_its_tree(checkout: Path) -> None:
    run(checkout, "fetch", "-q", "--tags")
    facts = read_target(Git(str(checkout)), "django-q")
    assert facts["local"] is True
    assert facts["tree"]["commands"] == ["setup_schedules"]


def test_a_ref_that_is_nowhere(checkout: Path) -> None:
    facts = read_target(Git(str(checkout)), "django-p")
    assert facts["reachable"] is True
    assert facts["sha"] is None
    assert "django-q" in facts["error"], "the nearest names are shown"


def test_a_commit_that_is_here(checkout: Path) -> None:
    sha = run(checkout, "rev-parse", "HEAD").strip()
    assert read_target(Git(str(checkout)), sha[:12])["sha"] == sha


def test_a_remote_that_does_not_answer(checkout: Path) -> None:
    facts = read_target(Git(str(checkout), str(checkout.parent / "gone")), "django-q")
    assert facts["reachable"] is False
    assert "does not answer" in facts["error"]
