# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The arguments of all roles, judged before any of the roles has started."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

# How alike a name must be to a known variable to be taken for a misspelling of it (0 to 1).
LIKENESS = 0.85


@dataclass(frozen=True)
class Argument:
    """A role's variable as its argument specification describes it.

    Attributes:
        role: the role's name, without the collection's.
        name: the variable's name.
        spec: type, choices, options … as `meta/argument_specs.yml` has them.
        required: whether the role's `main` cannot do without it.
    """

    role: str
    name: str
    spec: dict[str, Any]
    required: bool


def arguments_of(role: str, document: dict[str, Any]) -> list[Argument]:
    """The variables of one role, of all its entry points.

    A variable that only another entry point than `main` requires is given at the call of that
    entry point, so that its absence is no error beforehand; its type is looked at all the same.

    Args:
        document: the content of `meta/argument_specs.yml`.
    """
    found: dict[str, Argument] = {}
    points = document.get("argument_specs") or {}
    for point in sorted(points, key=lambda name: (name != "main", name)):
        for name, spec in (points[point].get("options") or {}).items():
            required = point == "main" and bool(spec.get("required"))
            if name not in found:
                found[name] = Argument(role, name, {**spec, "required": False}, required)
    return list(found.values())


def sentence(argument: Argument) -> str:
    """The first sentence of a variable's description."""
    text = argument.spec.get("description") or ""
    first = str(text[0] if isinstance(text, list) and text else text)
    plain = re.sub(r"\b[A-Z]\(([^)]*)\)", r"\1", first)
    return plain.split(". ")[0].strip().rstrip(".")


def readable(error: str) -> str:
    """An error of Ansible's validator with Python's types named in words."""
    return re.sub(r"<class '[\w.]*?(?:_AnsibleTagged)?(\w+)'>", lambda m: m[1].lower(), error)


def problems_of(argument: Argument, values: dict[str, Any]) -> list[str]:
    """What is wrong with one variable, one sentence an error.

    Args:
        values: the variables that are set, with their values worked out.
    """
    expected = f"expected {argument.spec.get('type', 'str')}: {sentence(argument)}"
    if argument.name not in values:
        return (
            [f"{argument.name} is required and not set ({expected})"] if argument.required else []
        )
    validator = ArgumentSpecValidator({argument.name: argument.spec})
    result = validator.validate(
        {argument.name: values[argument.name]}, validate_role_argument_spec=True
    )
    if result.error_messages and argument.spec.get("no_log"):
        return [f"{argument.name}: its value, which is not shown, cannot be used ({expected})"]
    return [f"{argument.name}: {readable(error)} ({expected})" for error in result.error_messages]


def misspelt(arguments: list[Argument], names: list[str]) -> list[tuple[str, str]]:
    """Names that look like a misspelt variable of a role.

    Args:
        names: all variables that are set, known ones among them.

    Returns:
        (role, sentence) of each.
    """
    roles = {argument.name: argument.role for argument in arguments}
    prefixes = tuple(f"{role}_" for role in set(roles.values()))
    found = []
    for name in sorted(names):
        if name in roles or not name.startswith(prefixes):
            continue
        near = difflib.get_close_matches(name, list(roles), n=1, cutoff=LIKENESS)
        if near and near[0] not in names:
            found.append(
                (roles[near[0]], f"{name} is no variable of any role; did you mean {near[0]}?")
            )
    return found


def message(problems: list[tuple[str, str]], roles: int) -> str:
    """The one message that names every problem.

    Args:
        problems: (role, sentence) of each.
        roles: how many roles' arguments were looked at.
    """
    count = "1 argument" if len(problems) == 1 else f"{len(problems)} arguments"
    of = "1 role" if roles == 1 else f"{roles} roles"
    lines = [f"{count} of {of} cannot be used. Nothing was changed."]
    lines += [f"  - {role}: {text}" for role, text in sorted(problems)]
    lines.append("Correct them in the inventory (or in -e) and run the same playbook again.")
    return "\n".join(lines)
