"""What the linter finds in a target, as findings; and the way there, by a real playbook."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_lint import (
    PLACES,
    SHOWN,
    judge_lint,
)

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
CELERY2Q = BIN / "celery2q"
RULES = {"plain-call": "", "celery-import": "", "compose-service": ""}
DESCRIPTION = {"version": "1.0", "rules": RULES}
MEASURED: dict[str, Any] = {"files": 3, "bytes": 2048, "seconds": 1.25, "skipped": []}


def item(rule: str = "plain-call", level: str = "error", **changed: Any) -> dict[str, Any]:
    """A finding of the linter."""
    return {
        "rule": rule,
        "level": level,
        "path": "reports/views.py",
        "line": 3,
        "column": 1,
        "message": "render is a plain function.",
        "fix": "Call async_task.",
        "convertible": False,
        **changed,
    }


def judged(*items: dict[str, Any], accept: Any = (), **measured: Any) -> list[dict[str, str]]:
    """Findings of the preflight but the one that counts."""
    document = {"findings": list(items), "skipped": measured.pop("unread", [])}
    found, _figures = judge_lint(document, DESCRIPTION, list(accept), {**MEASURED, **measured})
    assert found[-1]["id"] == "linted"
    return found[:-1]


def test_an_error_is_an_error_with_its_place() -> None:
    (found,) = judged(item())
    assert found == {
        "id": "lint[plain-call]",
        "level": "error",
        "found": "reports/views.py:3: render is a plain function.",
        "expected": "code that neither needs Celery nor hands Django-Q2 what it cannot run",
        "fix": "Call async_task.",
    }


def test_what_the_converter_can_do_is_said() -> None:
    (found,) = judged(item(convertible=True))
    assert found["fix"] == "Call async_task. `celery2q convert` does it."


def test_very_many_errors_are_counted_and_none_is_lost() -> None:
    many = [item(line=number) for number in range(SHOWN + 7)] + [item("celery-import")]
    found = judged(*many)
    assert len(found) == SHOWN + 1
    assert found[-1]["found"] == "8 more errors: celery-import 1, plain-call 7"
    assert {entry["level"] for entry in found} == {"error"}


def test_warnings_of_a_rule_come_together() -> None:
    found = judged(*(item(level="warning", line=number) for number in range(PLACES + 2)))
    assert [entry["level"] for entry in found] == ["warning"]
    lines = found[0]["found"].splitlines()
    assert lines[0] == "reports/views.py:0: render is a plain function."
    assert lines[-1] == "and 2 more"


def test_notes_are_counted_only() -> None:
    document = {"findings": [item(level="note"), item(level="note")], "skipped": []}
    (found,), figures = judge_lint(document, DESCRIPTION, [], MEASURED)
    assert found["level"] == "note"
    assert found["found"] == (
        "celery2q 1.0 read 3 files (2.0 KiB) of the target in 1.2 s; its findings: 0 errors, "
        "0 warnings, 2 further lines that name Celery"
    )
    assert figures == {
        "version": "1.0",
        "files": 3,
        "bytes": 2048,
        "seconds": 1.2,
        "errors": 0,
        "warnings": 0,
        "notes": 2,
    }


def test_what_the_deployment_edits_is_a_warning() -> None:
    compose = item("compose-service", path="deploy/docker-compose.yml")
    (found,) = judged(compose)
    assert found["level"] == "warning"
    assert "the migration edits qcluster" in found["fix"]
    image = item("compose-service", path="deploy/Dockerfile.web")
    assert [entry["level"] for entry in judged(image)] == ["error"]


@pytest.mark.parametrize(
    ("entry", "accepted"),
    [
        ({"rule": "plain-call"}, True),
        ({"rule": "plain-call", "path": "reports/*"}, True),
        ({"rule": "plain-call", "path": "reports/views.py"}, True),
        ({"rule": "plain-call", "path": "views.py"}, False),
        ({"rule": "plain-call", "path": "other/*"}, False),
        ({"rule": "celery-import"}, False),
    ],
)
def test_findings_can_be_accepted(entry: dict[str, str], accepted: bool) -> None:
    found = judged(item(), accept=[{**entry, "reason": "it is old"}])
    levels = [finding["level"] for finding in found]
    if accepted:
        assert levels == ["note"]
        assert "accepted (it is old): 1 finding of plain-call" in found[0]["found"]
    else:
        assert sorted(levels) == ["error", "warning"]
        assert "lint_accept_unused" in {finding["id"] for finding in found}


def test_a_rule_that_does_not_exist_cannot_be_accepted() -> None:
    found = judged(accept=[{"rule": "plain_call"}])
    assert [entry["level"] for entry in found] == ["error"]
    assert "is it 'plain-call'?" in found[0]["fix"]


def test_what_could_not_be_read_is_a_warning() -> None:
    found = judged(
        unread=[{"path": "a.py", "reason": "no Python 3"}],
        skipped=[{"path": "sub", "reason": "a submodule"}],
    )
    assert [(entry["id"], entry["level"]) for entry in found] == [("lint_unread", "warning")]
    assert found[0]["found"] == "sub: a submodule\na.py: no Python 3"


# --- by a playbook


def git(folder: Path, *arguments: str) -> str:
    """Run Git in a test's repository."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A checkout whose one commit still calls .delay on a plain function."""
    root = tmp_path / "release"
    (root / "shop").mkdir(parents=True)
    (root / "shop/__init__.py").write_text("")
    (root / "shop/a.py").write_text("def send():\n    pass\n\n\nsend.delay()\n")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    return root


def linted(tmp_path: Path, arguments: dict[str, Any], *options: str) -> dict[str, Any]:
    """The result of the action, run by ansible-playbook; nothing may be left in TMPDIR."""
    temporary = tmp_path / "temporary"
    temporary.mkdir(exist_ok=True)
    answer = tmp_path / "answer.json"
    task = {
        "name": "Lint",
        "cutover.django_q.preflight_lint": {
            "executable": str(CELERY2Q),
            "max_bytes": 1_000_000,
            "timeout": 60,
            "project_dir": str(tmp_path / "release"),
            **arguments,
        },
        "register": "__answer",
    }
    keep = {
        "name": "Keep",
        "ansible.builtin.copy": {
            "content": "{{ __answer | to_json }}",
            "dest": str(answer),
            "mode": "0600",
        },
        "check_mode": False,
    }
    book = tmp_path / "play.yml"
    book.write_text(
        yaml.safe_dump([{"hosts": "all", "gather_facts": False, "tasks": [task, keep]}])
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env.update(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), TMPDIR=str(temporary))
    done = subprocess.run(
        [
            BIN / "ansible-playbook",
            "-i",
            "localhost,",
            "-c",
            "local",
            str(book),
            *options,
            "-e",
            f"ansible_python_interpreter={sys.executable}",
        ],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(temporary.iterdir()) == []
    return json.loads(answer.read_text())


@pytest.mark.parametrize("options", [(), ("--check",)])
def test_a_commit_is_linted_in_check_mode_too(
    release: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    commit = git(release, "rev-parse", "HEAD")
    result = linted(tmp_path, {"strategy": "git", "commit": commit}, *options)
    assert not result["changed"]
    assert [entry["id"] for entry in result["findings"]] == ["lint[plain-call]", "linted"]
    assert result["findings"][0]["found"].startswith("shop/a.py:5: shop.a.send is a plain function")
    assert result["figures"]["files"] == 2
    assert "texts" not in result


def test_an_archive_is_linted_where_it_stands(release: Path, tmp_path: Path) -> None:
    archive = tmp_path / "release.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(release, arcname="release-1.0")
    result = linted(tmp_path, {"strategy": "archive", "archive": str(archive), "strip": 1})
    assert [entry["id"] for entry in result["findings"]] == ["lint[plain-call]", "linted"]


def test_what_is_not_there_yet_is_not_checked(release: Path, tmp_path: Path) -> None:
    result = linted(tmp_path, {"strategy": "git", "commit": "0" * 40}, "--check")
    assert result["findings"] == []
    (entry,) = result["unchecked"]
    assert entry["because"] == (
        "the target's commit is not on the host, and in check mode nothing is fetched"
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"executable": "/nowhere/celery2q"}, "there is no program /nowhere/celery2q"),
        ({"executable": "/bin/true"}, "`/bin/true describe` ended with status 0: it said nothing"),
        ({"executable": "/bin/echo"}, "/bin/echo describe printed 'describe"),
        ({"max_bytes": 600}, "more than 600 bytes"),
        ({"dir": "nothing"}, "preflight_lint_dir: 'nothing' is no folder of the commit"),
        ({"strategy": "archive", "archive": "/nowhere.tar"}, "there is no /nowhere.tar"),
        ({"project_dir": "/"}, "/ is no Git checkout"),
    ],
)
def test_what_keeps_the_linter_from_its_work_is_an_error(
    release: Path, tmp_path: Path, arguments: dict[str, Any], words: str
) -> None:
    commit = git(release, "rev-parse", "HEAD")
    result = linted(tmp_path, {"strategy": "git", "commit": commit, **arguments})
    (found,) = result["findings"]
    assert (found["id"], found["level"]) == ("lint_impossible", "error")
    assert words in found["found"]
    assert "preflight_lint: false" in found["fix"]
