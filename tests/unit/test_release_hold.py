"""A checkout that changes everything but the Compose file."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import Git, GitError
from ansible_collections.cutover.django_q.plugins.module_utils.release_hold import (
    RECORD,
    Hold,
    switch_commit,
)

COMPOSE = "docker-compose.yml"


def git(folder: Path, *arguments: str) -> str:
    """Run Git in a test's repository."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A repository with two commits, `old` (branch main) and `new`, that differ in two files."""
    folder = tmp_path / "project"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    for tag in ("old", "new"):
        (folder / COMPOSE).write_text(f"# {tag}\n")
        (folder / "code.py").write_text(f"# {tag}\n")
        git(folder, "add", ".")
        git(folder, "commit", "-qm", tag)
        git(folder, "tag", tag)
    git(folder, "reset", "-q", "--hard", "old")
    return folder


def parts(place: Path) -> tuple[Git, Hold, str, str]:
    """Git, the hold, and the commits of old and new."""
    runner = Git(str(place))
    hold = Hold(runner, str(place.parent / "keep"), [COMPOSE])
    return runner, hold, git(place, "rev-parse", "old"), git(place, "rev-parse", "new")


@pytest.mark.parametrize("content", ["# old\n", "# mine\n"], ids=["as tracked", "modified"])
def test_there_and_back_the_compose_file_keeps_its_bytes(place: Path, content: str) -> None:
    runner, hold, old, new = parts(place)
    (place / COMPOSE).write_text(content)
    (place / COMPOSE).chmod(0o640)
    assert switch_commit(runner, hold, new, None, forward=True)
    assert (place / "code.py").read_text() == "# new\n"
    assert (place / COMPOSE).read_text() == content
    assert (place / COMPOSE).stat().st_mode & 0o777 == 0o640
    assert runner.head() == (new, None)
    assert not switch_commit(runner, hold, new, None, forward=True)
    assert switch_commit(runner, hold, old, "main", forward=False)
    assert (place / COMPOSE).read_text() == content
    assert (place / "code.py").read_text() == "# old\n"
    assert runner.head() == (old, "main")
    assert not switch_commit(runner, hold, old, "main", forward=False)
    assert not (place.parent / "keep").exists()


def test_a_branch_that_has_moved_on_is_not_taken(place: Path) -> None:
    runner, hold, old, new = parts(place)
    switch_commit(runner, hold, new, None, forward=True)
    git(place, "branch", "-f", "main", "new")
    switch_commit(runner, hold, old, "main", forward=False)
    assert runner.head() == (old, None)


def test_other_local_changes_are_refused_and_kept(place: Path) -> None:
    runner, hold, _, new = parts(place)
    (place / COMPOSE).write_text("# mine\n")
    (place / "code.py").write_text("# mine\n")
    with pytest.raises(GitError, match="was left as it is"):
        switch_commit(runner, hold, new, None, forward=True)
    assert (place / "code.py").read_text() == "# mine\n"
    assert (place / COMPOSE).read_text() == "# mine\n"


def test_an_untracked_compose_file_stays(place: Path) -> None:
    runner, _, _, new = parts(place)
    (place / "override.yml").write_text("# mine\n")
    hold = Hold(runner, str(place.parent / "keep"), [COMPOSE, "override.yml"])
    assert hold.needed(new) == [COMPOSE]
    switch_commit(runner, hold, new, None, forward=True)
    assert (place / "override.yml").read_text() == "# mine\n"


def crash_while_held(place: Path, reached: str) -> tuple[Git, Hold, str, str]:
    """The state after a crash between putting aside and putting back, at old or at new."""
    runner, hold, old, new = parts(place)
    (place / COMPOSE).write_text("# mine\n")
    hold.release(hold.take(hold.needed(new)))
    if reached == "new":
        git(place, "checkout", "-q", "--detach", "new")
    assert json.loads((place.parent / "keep" / RECORD).read_text())
    return runner, hold, old, new


@pytest.mark.parametrize("reached", ["old", "new"])
def test_after_a_crash_the_way_forward_puts_the_file_back(place: Path, reached: str) -> None:
    runner, hold, _, new = crash_while_held(place, reached)
    assert switch_commit(runner, hold, new, None, forward=True)
    assert (place / COMPOSE).read_text() == "# mine\n"
    assert runner.head() == (new, None)
    assert hold.pending() == {}


@pytest.mark.parametrize("reached", ["old", "new"])
def test_after_a_crash_the_way_back_keeps_what_stands_there(place: Path, reached: str) -> None:
    runner, hold, old, _ = crash_while_held(place, reached)
    (place / COMPOSE).write_text("# the original, put back by its keeper\n")
    switch_commit(runner, hold, old, "main", forward=False)
    assert (place / COMPOSE).read_text() == "# the original, put back by its keeper\n"
    assert runner.head() == (old, "main")
    assert hold.pending() == {}
