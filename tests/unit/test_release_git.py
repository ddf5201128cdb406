"""Refs of a remote: told apart, chosen, fetched without a trace in the checkout."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.release_commit import (
    export,
    in_the_way,
    resolve,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import (
    Git,
    GitError,
    choose_ref,
    parse_ls_remote,
    tail,
    unknown_ref,
    without_credentials,
)

ONE, TWO = "1" * 40, "2" * 40


def git(folder: Path, *arguments: str) -> str:
    """Run Git in a test's repository."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


def write(path: Path, text: str) -> None:
    """Write a file and its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A clone at its first commit, whose remote has a tag, a branch and a commit more."""
    origin = tmp_path / "origin"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main")
    write(origin / "app/tasks.py", "old\n")
    write(origin / "docker-compose.yml", "services: {}\n")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "old")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(origin), str(clone))
    write(origin / "app/tasks.py", "new\n")
    write(origin / "run.sh", "#!/bin/sh\n")
    (origin / "run.sh").chmod(0o755)
    write(origin / "docs/secret.txt", "not exported\n")
    write(origin / ".gitattributes", "docs export-ignore\n")
    os.symlink("app", origin / "link")
    git(origin, "add", ".")
    git(origin, "commit", "-qm", "new")
    git(origin, "tag", "-a", "v2", "-m", "two")
    git(origin, "branch", "next")
    return clone


def test_an_annotated_tag_is_its_commit() -> None:
    text = f"{ONE}\trefs/tags/v2\n{TWO}\trefs/tags/v2^{{}}\n{ONE}\tHEAD\n"
    assert parse_ls_remote(text) == {"refs/tags/v2": TWO, "HEAD": ONE}


@pytest.mark.parametrize(
    ("wanted", "refs", "chosen"),
    [
        ("v2", {"refs/tags/v2": ONE, "refs/heads/main": TWO}, "refs/tags/v2"),
        ("main", {"refs/heads/main": TWO}, "refs/heads/main"),
        ("refs/heads/main", {"refs/heads/main": TWO}, "refs/heads/main"),
        ("v2", {"refs/heads/old/v2": TWO}, None),
        ("v2", {"refs/tags/v2": ONE, "refs/heads/v2": ONE}, "refs/tags/v2"),
        ("main", {}, None),
    ],
)
def test_a_name_leads_to_one_ref(wanted: str, refs: dict[str, str], chosen: str | None) -> None:
    assert choose_ref(wanted, refs) == chosen


def test_a_name_of_two_commits_is_refused() -> None:
    with pytest.raises(GitError, match="refs/tags/v2 or refs/heads/v2"):
        choose_ref("v2", {"refs/tags/v2": ONE, "refs/heads/v2": TWO})


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    sentence = unknown_ref("djang-q", "origin", {"refs/tags/django-q": ONE, "refs/tags/old": TWO})
    assert "'djang-q' is no tag, branch or commit" in sentence
    assert "django-q" in sentence


def test_credentials_never_show() -> None:
    text = "fatal: unable to access 'https://bot:t0ken@git.example.org/x.git/': 403"
    assert "t0ken" not in without_credentials(text)
    assert "t0ken" not in tail(text)


def test_a_fetch_leaves_nothing_in_the_checkout(checkout: Path) -> None:
    before = [git(checkout, *view) for view in (["show-ref"], ["status", "--porcelain=v2", "-b"])]
    sha, checked = resolve(Git(str(checkout)), "v2", "run-1", dry=False)
    assert checked == []
    assert git(checkout, "rev-parse", "refs/cutover/run-1^{commit}") == sha
    git(checkout, "update-ref", "-d", "refs/cutover/run-1")
    after = [git(checkout, *view) for view in (["show-ref"], ["status", "--porcelain=v2", "-b"])]
    assert before == after
    assert not (checkout / ".git/FETCH_HEAD").exists()


def test_a_dry_run_fetches_nothing(checkout: Path) -> None:
    place = Git(str(checkout))
    sha, checked = resolve(place, "v2", "run-1", dry=True)
    assert sha == git(checkout.parent / "origin", "rev-parse", "v2^{commit}")
    assert place.commit_of(sha) is None
    assert len(checked) == 1


@pytest.mark.parametrize("length", [40, 9])
def test_a_commit_is_found_by_its_id(checkout: Path, length: int) -> None:
    wanted = git(checkout.parent / "origin", "rev-parse", "next")
    assert resolve(Git(str(checkout)), wanted[:length], "run-1", dry=False)[0] == wanted
    assert "run-1.all" not in git(checkout, "show-ref")


def test_a_known_commit_needs_no_remote(checkout: Path) -> None:
    sha = git(checkout, "rev-parse", "HEAD")
    place = Git(str(checkout), remote="/nowhere")
    assert resolve(place, sha, "run-1", dry=False) == (sha, [])


@pytest.mark.parametrize(("ref", "said"), [("v3", "'v3' is no tag"), ("f" * 40, "is no tag")])
def test_what_the_remote_does_not_have_is_refused(checkout: Path, ref: str, said: str) -> None:
    with pytest.raises(GitError, match=said):
        resolve(Git(str(checkout)), ref, "run-1", dry=False)


def test_a_remote_that_does_not_answer_is_one_sentence(checkout: Path) -> None:
    with pytest.raises(GitError, match="does not answer"):
        resolve(Git(str(checkout), remote="/nowhere"), "v2", "run-1", dry=False)


def test_a_commit_is_written_whole(checkout: Path, tmp_path: Path) -> None:
    place = Git(str(checkout))
    sha, _ = resolve(place, "v2", "run-1", dry=False)
    assert export(place, sha, str(tmp_path / "tree")) == 6
    tree = tmp_path / "tree.part"
    assert (tree / "app/tasks.py").read_text() == "new\n"
    assert (tree / "docs/secret.txt").read_text() == "not exported\n"
    assert os.readlink(tree / "link") == "app"
    assert (tree / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (tree / "app/tasks.py").stat().st_mode & 0o777 == 0o644
    assert (checkout / "app/tasks.py").read_text() == "old\n"


def test_untracked_files_in_the_way_are_found(checkout: Path, tmp_path: Path) -> None:
    write(checkout / ".git/info/exclude", "run.sh\n")
    write(checkout / "run.sh", "mine\n")
    write(checkout / "docs/secret.txt", "not exported\n")
    place = Git(str(checkout))
    sha, _ = resolve(place, "v2", "run-1", dry=False)
    export(place, sha, str(tmp_path / "tree"))
    assert in_the_way(place, str(checkout), sha, str(tmp_path / "tree.part")) == ["run.sh"]


def test_a_folder_without_git_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="is no Git checkout"):
        Git(str(tmp_path)).top()


def test_the_way_from_the_top_is_told(checkout: Path) -> None:
    assert Git(str(checkout / "app")).top() == (str(checkout), "app")
    assert Git(str(checkout)).top() == (str(checkout), "")
