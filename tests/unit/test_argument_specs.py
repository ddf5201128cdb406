"""The gate: what every role of the collection owes its users, read from its files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
# What a role's README must say, by words that its headings hold.
HEADINGS = ("variables", "idempotence", "check mode", "rollback")
# A variable that looks like a secret. What ends in one of the harmless words is none.
SECRET = re.compile(r"(password|passphrase|secret|token|credential)", re.IGNORECASE)
NO_SECRET = re.compile(r"_(file|path|name|service|id|ids)$")

every_role = pytest.mark.parametrize("role", ROLES, ids=lambda path: path.name)


def load(path: Path) -> Any:
    """The content of a YAML file, an empty dict for an empty one."""
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {}


def points_of(role: Path) -> dict[str, dict[str, Any]]:
    """The entry points of a role's argument specification, by name."""
    return load(role / "meta" / "argument_specs.yml").get("argument_specs") or {}


def options_of(role: Path) -> dict[str, dict[str, Any]]:
    """The variables of all entry points, by name."""
    return {
        name: spec
        for point in points_of(role).values()
        for name, spec in (point.get("options") or {}).items()
    }


def variables_of(path: Path) -> tuple[set[str], set[str]]:
    """The variables of a defaults file: those with a value, and those that are commented out."""
    text = path.read_text(encoding="utf-8")
    commented = re.findall(r"^# ?([a-z][a-z0-9_]*):(?:\s|$)", text, flags=re.MULTILINE)
    return set(load(path)), set(commented)


def test_there_are_roles() -> None:
    assert len(ROLES) >= 2


@every_role
def test_defaults_and_argument_specs_name_the_same_variables(role: Path) -> None:
    given, commented = variables_of(role / "defaults" / "main.yml")
    assert given | commented == set(options_of(role))
    assert not given & commented


@every_role
def test_a_required_variable_has_no_default(role: Path) -> None:
    given, _commented = variables_of(role / "defaults" / "main.yml")
    for name, spec in (points_of(role)["main"].get("options") or {}).items():
        assert not (spec.get("required") and name in given), name


@every_role
def test_variables_carry_the_roles_name(role: Path) -> None:
    for name in options_of(role):
        assert name.startswith((f"{role.name}_", "cutover_")), name


@every_role
def test_every_variable_is_typed_and_described(role: Path) -> None:
    for name, spec in options_of(role).items():
        assert spec.get("type"), name
        assert spec.get("description"), name
        assert spec["type"] != "list" or spec.get("elements"), f"{name} has no elements"


@every_role
def test_every_entry_point_is_a_task_file_with_a_description(role: Path) -> None:
    points = points_of(role)
    assert "main" in points
    for name, point in points.items():
        assert point.get("short_description"), name
        assert (role / "tasks" / f"{name}.yml").is_file(), name


@every_role
def test_a_secret_is_a_string_that_is_never_logged(role: Path) -> None:
    for name, spec in options_of(role).items():
        if spec.get("no_log") or (SECRET.search(name) and not NO_SECRET.search(name)):
            # Of any other type its value would be printed when it does not fit.
            assert spec["type"] == "str", name
            assert spec.get("no_log") is True, name


@every_role
def test_readme_says_what_an_operator_asks(role: Path) -> None:
    text = (role / "README.md").read_text(encoding="utf-8")
    title, _line, rest = text.partition("\n")
    assert title == f"# cutover.django_q.{role.name}"
    purpose = rest.strip().split("\n\n")[0]
    assert purpose, "nothing stands under the title"
    assert not purpose.startswith("#"), "the purpose stands under the title"
    headings = " ".join(re.findall(r"^##+ (.+)$", text, flags=re.MULTILINE)).lower()
    missing = [word for word in HEADINGS if word not in headings]
    assert not missing, f"no heading about {missing}"
    unnamed = sorted(name for name in options_of(role) if name not in text)
    assert not unnamed, f"variables that the README does not name: {unnamed}"


@every_role
def test_meta_is_whole(role: Path) -> None:
    meta = load(role / "meta" / "main.yml")["galaxy_info"]
    for key in ("author", "description", "license", "min_ansible_version", "platforms"):
        assert meta.get(key), key


@every_role
def test_task_files_name_their_tasks_after_themselves(role: Path) -> None:
    def named(tasks: list[dict[str, Any]]) -> list[str]:
        names = []
        for task in tasks:
            if "block" not in task:  # a block's name is never shown
                names.append(task.get("name", ""))
            for part in ("block", "rescue", "always"):
                names += named(task.get(part) or [])
        return names

    for path in sorted((role / "tasks").glob("*.yml")):
        if path.name == "main.yml":
            continue
        for name in named(load(path) or []):
            assert name.lower().startswith(f"{path.stem} | "), f"{path.name}: {name!r}"


def playbooks() -> list[Path]:
    """The playbooks of the collection."""
    return sorted((ROOT / "playbooks").glob("*.yml"))


def roles_of(play: dict[str, Any]) -> list[dict[str, Any]]:
    """The roles of a play, however they are called: {name, tags}."""
    found = []
    for item in play.get("roles") or []:
        item = {"role": item} if isinstance(item, str) else item
        found.append({"name": item.get("role") or item["name"], "tags": item.get("tags")})
    pending = list(play.get("tasks") or [])
    while pending:
        task = pending.pop()
        for part in ("block", "rescue", "always"):
            pending += task.get(part) or []
        for action in ("import_role", "include_role"):
            call = task.get(f"ansible.builtin.{action}")
            if call:
                found.append({"name": call["name"], "tags": task.get("tags")})
    return found


@pytest.mark.parametrize("path", playbooks(), ids=lambda path: path.name)
def test_playbooks_name_roles_in_full(path: Path) -> None:
    for play in load(path):
        for role in roles_of(play):
            assert role["name"].startswith("cutover.django_q."), role["name"]
            assert (ROOT / "roles" / role["name"].rpartition(".")[2]).is_dir(), role["name"]


@pytest.mark.parametrize("path", playbooks(), ids=lambda path: path.name)
def test_a_play_never_mixes_roles_and_tasks(path: Path) -> None:
    for play in load(path):
        assert not (play.get("roles") and play.get("tasks")), play.get("name")
