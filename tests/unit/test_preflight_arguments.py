"""The arguments of all roles, judged in one go: the pure parts and the play itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_arguments import (
    Argument,
    arguments_of,
    message,
    misspelt,
    problems_of,
)

ROOT = Path(__file__).resolve().parents[2]
SPECS = sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))

# A value that no variable of the type takes. Text and paths take anything: Ansible converts it.
WRONG: dict[str, Any] = {
    "int": "many",
    "float": "many",
    "bool": "perhaps",
    "list": {"a": "dict"},
    "dict": "a word",
}


def argument(required: bool = False, **spec: Any) -> Argument:
    """A variable `keep` of the role `backup`."""
    return Argument("backup", "keep", {"description": "How many. More.", **spec}, required)


def test_arguments_of_all_entry_points_but_only_main_requires() -> None:
    document = {
        "argument_specs": {
            "restore": {"options": {"from_": {"type": "path", "required": True}}},
            "main": {"options": {"keep": {"type": "int", "required": True}}},
        }
    }
    found = {item.name: item for item in arguments_of("backup", document)}
    assert found["keep"].required
    assert not found["from_"].required
    assert found["from_"].spec["type"] == "path"


def test_main_wins_where_two_entry_points_name_a_variable() -> None:
    document = {
        "argument_specs": {
            "again": {"options": {"keep": {"type": "str"}}},
            "main": {"options": {"keep": {"type": "int"}}},
        }
    }
    (found,) = arguments_of("backup", document)
    assert found.spec["type"] == "int"


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"type": "int"}, 3),
        ({"type": "int"}, "3"),
        ({"type": "bool"}, "yes"),
        ({"type": "list", "elements": "str"}, ["a"]),
        ({"type": "str", "choices": ["git", "image"]}, "git"),
        ({"type": "dict", "options": {"name": {"required": True}}}, {"name": "x"}),
    ],
)
def test_good_values_have_no_problem(spec: dict[str, Any], value: Any) -> None:
    assert problems_of(argument(**spec), {"keep": value}) == []


@pytest.mark.parametrize(
    ("spec", "value", "words"),
    [
        ({"type": "int"}, "many", "unable to convert to int"),
        ({"type": "list"}, {"a": 1}, "dict cannot be converted to a list"),
        ({"type": "str", "choices": ["git", "image"]}, "svn", "git, image"),
        ({"type": "dict", "options": {"name": {"required": True}}}, {}, "name"),
        ({"type": "dict", "options": {"name": {}}}, {"nam": 1}, "nam"),
    ],
)
def test_bad_values_say_what_was_expected(spec: dict[str, Any], value: Any, words: str) -> None:
    (problem,) = problems_of(argument(**spec), {"keep": value})
    assert problem.startswith("keep: ")
    assert words in problem
    assert "How many" in problem
    assert "More" not in problem


def test_a_required_variable_that_is_not_set() -> None:
    (problem,) = problems_of(argument(required=True, type="int"), {})
    assert problem == "keep is required and not set (expected int: How many)"


def test_a_secrets_value_is_never_shown() -> None:
    secret = argument(type="str", no_log=True, choices=["a"])
    (problem,) = problems_of(secret, {"keep": "hunter2"})
    assert "hunter2" not in problem


def test_misspelt_names() -> None:
    known = [argument(), Argument("backup", "backup_directory", {}, False)]
    assert misspelt(known, ["backup_directry", "backup_other", "unrelated"]) == [
        ("backup", "backup_directry is no variable of any role; did you mean backup_directory?")
    ]
    # Said rightly as well: the other one is somebody's own.
    assert misspelt(known, ["backup_directry", "backup_directory"]) == []


def test_the_message_counts_and_sorts() -> None:
    text = message([("b", "two"), ("a", "one")], 3)
    assert text.splitlines()[0] == "2 arguments of 3 roles cannot be used. Nothing was changed."
    assert text.splitlines()[1:3] == ["  - a: one", "  - b: two"]


def play(tmp_path: Path, variables: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """Run the first play of a playbook against this machine."""
    book = tmp_path / "play.yml"
    book.write_text(
        yaml.safe_dump(
            [
                {
                    "hosts": "all",
                    "gather_facts": False,
                    "tasks": [
                        {
                            "name": "Validate",
                            "ansible.builtin.import_role": {
                                "name": "cutover.django_q.preflight",
                                "tasks_from": "validate.yml",
                            },
                        }
                    ],
                }
            ]
        ),
        encoding="utf-8",
    )
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env.update(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    program = str(Path(sys.executable).parent / "ansible-playbook")
    return subprocess.run(
        [program, "-i", "localhost,", "-c", "local", str(book), "-e", json.dumps(variables)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def typed_options() -> list[tuple[str, str, Any]]:
    """One variable of each role that a wrong type can be given to: (role, name, wrong value)."""
    found = []
    for path in SPECS:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        role = path.parents[1].name
        for item in arguments_of(role, document):
            if item.spec.get("type") in WRONG:
                found.append((role, item.name, WRONG[item.spec["type"]]))
                break
    return found


def test_good_arguments_pass(tmp_path: Path) -> None:
    done = play(tmp_path, {"deployment_project_dir": "/srv/air_risk", "release_target_ref": "x"})
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("role", "name", "wrong"), typed_options(), ids=lambda item: str(item))
def test_a_wrong_type_in_any_role_is_refused(
    tmp_path: Path, role: str, name: str, wrong: Any
) -> None:
    good = {"deployment_project_dir": "/srv/air_risk", "release_target_ref": "x"}
    done = play(tmp_path, {**good, name: wrong})
    assert done.returncode == 2
    assert "1 argument of " in done.stdout
    assert f"- {role}: {name}: " in done.stdout


def test_errors_of_several_roles_come_in_one_message(tmp_path: Path) -> None:
    wrong = {name: value for _role, name, value in typed_options()}
    done = play(tmp_path, {**wrong, "deployment_web_srvice": "web", "undefined": "{{ nope }}"})
    assert done.returncode == 2
    assert done.stdout.count("fatal: [localhost]") == 1
    for role, name, _value in typed_options():
        assert f"- {role}: {name}: " in done.stdout
    assert "did you mean deployment_web_service?" in done.stdout


def test_a_value_that_cannot_be_worked_out_is_a_problem_of_its_variable(tmp_path: Path) -> None:
    done = play(
        tmp_path,
        {"deployment_project_dir": "/srv/air_risk", "deployment_web_service": "{{ nope }}"},
    )
    assert done.returncode == 2
    assert "deployment_web_service: its value cannot be worked out" in done.stdout
