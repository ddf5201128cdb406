"""Findings, and how they read."""

from __future__ import annotations

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_document import document
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_findings import (
    Judgement,
    as_text,
    headline,
    human,
    listed,
    of_failure,
    of_places,
)
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_questions import (
    answers_of,
    questions,
)


def test_the_same_finding_is_kept_once() -> None:
    found = Judgement()
    for _time in range(2):
        found.error("a", "found", "expected", "fix")
    assert len(found.findings) == 1


def test_only_errors_forbid() -> None:
    found = Judgement()
    found.warning("a", "f", "e", "d")
    found.note("b", "f")
    assert not found.blocked
    found.error("c", "f", "e", "d")
    assert found.blocked


def test_the_list() -> None:
    found = Judgement()
    found.note("nice", "all is well")
    found.error("bad", "one\ntwo " + "word " * 30, "better", "mend it")
    found.skip("the rest", "of that")
    text = as_text(found.findings, found.unchecked, width=60)
    assert text.splitlines()[:3] == [
        "ERROR bad",
        "    found    one",
        "             two word word word word word word word word",
    ]
    assert "    do       mend it" in text
    assert text.index("ERROR bad") < text.index("NOTE nice")
    assert text.endswith("NOT CHECKED the rest\n    because  of that")
    assert max(len(line) for line in text.splitlines()) <= 60
    assert headline(found.findings) == "1 error, 0 warnings, 1 note"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 2**30, "5.0 GiB"), (2**41, "2.0 TiB")],
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human(size) == text


def test_long_lists_are_cut() -> None:
    assert listed(["a", "b", "c"], 2) == "a, b and 1 more"
    assert listed(["a", "b"], 2) == "a, b"


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"msg": "no"}, "Build the image: no"),
        ({"msg": "no", "stderr": "line 1\nline 2"}, "Build the image: no\nline 1\nline 2"),
        ({"results": [{"failed": True, "msg": "a"}, {"msg": "b"}]}, "Build the image: a"),
        ({"reason": "no such role"}, "Build the image: no such role"),
        ({}, "Build the image: it failed and said nothing"),
    ],
)
def test_a_failed_task_as_a_finding(result: dict, words: str) -> None:
    finding = of_failure(result, "id", "build | Build the image", "e", "f")
    assert finding["found"] == words
    assert finding["level"] == "error"


def test_places_in_files() -> None:
    place = {
        "level": "warning",
        "file": "a.yml",
        "line": 3,
        "found": "x",
        "expected": "",
        "fix": "",
    }
    found = of_places([place, {**place, "line": 0}], "compose_file")
    assert [item["found"] for item in found] == ["a.yml:3: x", "a.yml: x"]
    assert {item["id"] for item in found} == {"compose_file"}


def service(*states: str, command: list[str] | None = None) -> dict:
    """A service with a container for each state."""
    containers = [
        {
            "id": f"i{number}",
            "name": f"n{number}",
            "image_id": "image",
            "started_at": "t",
            "state": state,
            "restart_count": 0,
            "restart_policy": "always",
            "exit_code": 0,
        }
        for number, state in enumerate(states)
    ]
    return {"command": command, "containers": containers}


def test_questions_go_to_what_runs() -> None:
    services = {
        "web": service("running"),
        "worker": service("exited"),
        "worker2": service("running"),
        "beat": service("running", command=["celery", "beat", "-S", "django"]),
        "db": service("running"),
    }
    ask = {
        "app_services": ["web", "worker", "worker2", "beat", "qcluster"],
        "web": "web",
        "workers": ["worker", "worker2"],
        "beats": ["beat"],
        "salt": "s",
        "celery_app": "",
        "inspect_timeout": 2,
    }
    asked = {
        part["name"]: (question["service"], part)
        for question in questions(services, ask)
        for part in question["parts"]
    }
    assert {name: service for name, (service, _part) in asked.items()} == {
        "identity_web": "web",
        "django_q": "web",
        "identity_worker2": "worker2",
        "celery": "worker2",
        "identity_beat": "beat",
    }
    command = asked["celery"][1]["params"]["beat_command"]
    assert command == ["celery", "beat", "-S", "django"]
    nothing = {name: service("exited") for name in services}
    assert questions(nothing, ask) == []


def test_answers_by_part() -> None:
    parts = [{"name": "a"}, {"name": "b"}]
    failed = answers_of(parts, {"failed": True, "msg": "no container"})
    assert failed == {name: {"result": {}, "error": "no container"} for name in "ab"}
    good = {"result": {"x": 1}, "error": ""}
    assert answers_of(parts, {"result": {"a": good}}) == {
        "a": good,
        "b": {"result": {}, "error": "it was not answered"},
    }


def test_the_document_of_the_state_before() -> None:
    facts = {
        "host": {
            "compose": {
                "services": {
                    "web": service("running", "running", "exited"),
                    "db": service("running"),
                    "spare": service(),
                }
            },
            "git": {"sha": "a", "branch": None, "describe": "v1", "changes": []},
            "memory": {"n0": 1},
            "docker": {"version": "26", "compose_version": "2"},
        },
        "answers": {"celery": {"result": {"app": "x"}, "error": ""}},
        "database": None,
        "lint": {"findings": [], "unchecked": [], "figures": {"files": 3}},
    }
    result = document(facts, {"app_services": ["web"]})
    assert result["services"]["web"]["scale"] == 2
    assert len(result["services"]["web"]["containers"]) == 3
    assert result["services"]["web"]["containers"][0]["restart_policy"] == "always"
    assert "spare" not in result["services"]
    assert result["bystanders"] == ["db"]
    assert result["celery"] == {"app": "x"}
    assert result["django_q"] == {}
    assert result["lint"] == {"files": 3}
    assert result["git"] == {"sha": "a", "branch": None, "describe": "v1"}
