# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Judges the arguments of all roles on the control node, before any role has started."""

from __future__ import annotations

import os
from typing import Any

import yaml
from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_arguments import (
    Argument,
    arguments_of,
    message,
    misspelt,
    problems_of,
)


def read_yaml(path: str) -> dict[str, Any]:
    """The content of a YAML file; empty when it is not there or holds nothing."""
    try:
        with open(path, encoding="utf-8") as stream:
            return yaml.safe_load(stream) or {}
    except FileNotFoundError:
        return {}


def read_roles(folder: str, wanted: list[str]) -> tuple[list[str], list[Argument], dict[str, Any]]:
    """The roles of a folder: their names, their arguments and their defaults.

    Args:
        wanted: names to keep; empty keeps all.
    """
    names = sorted(
        name
        for name in os.listdir(folder)
        if (not wanted or name in wanted)
        and os.path.isfile(os.path.join(folder, name, "meta", "argument_specs.yml"))
    )
    arguments: list[Argument] = []
    defaults: dict[str, Any] = {}
    for name in names:
        arguments += arguments_of(
            name, read_yaml(os.path.join(folder, name, "meta", "argument_specs.yml"))
        )
        defaults.update(read_yaml(os.path.join(folder, name, "defaults", "main.yml")))
    return names, arguments, defaults


class ActionModule(ActionBase):
    """The whole of `preflight_arguments`."""

    _requires_connection = False

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Work out the variables that are set, and judge them."""
        result = super().run(tmp, task_vars)
        task_vars = task_vars or {}
        folder = os.path.normpath(str(self._task.args["roles_dir"]))
        wanted = self._task.args.get("roles") or []
        if not isinstance(wanted, list):
            wanted = []  # of the wrong type: all roles are looked at, and its own says so
        names, arguments, defaults = read_roles(folder, wanted)
        missing = sorted(set(wanted) - set(names))
        if missing or not names:
            raise AnsibleActionFail(
                f"preflight_arguments: no role {', '.join(missing) or 'at all'} with a "
                f"meta/argument_specs.yml in {folder}."
            )
        # A value may refer to a default of a role that has not been loaded yet.
        templar = self._templar.copy_with_new_env(available_variables={**defaults, **task_vars})
        values: dict[str, Any] = {}
        problems: list[tuple[str, str]] = []
        for argument in arguments:
            if argument.name not in task_vars:
                continue
            try:
                values[argument.name] = templar.template(task_vars[argument.name])
            except AnsibleError as error:
                problems.append(
                    (argument.role, f"{argument.name}: its value cannot be worked out: {error}")
                )
        broken = {name for name in task_vars if name not in values}
        for argument in arguments:
            if argument.name in values or argument.name not in broken:
                problems += [(argument.role, problem) for problem in problems_of(argument, values)]
        problems += misspelt(arguments, list(task_vars))
        result.update(changed=False, roles=names)
        if problems:
            result.update(failed=True, msg=message(problems, len(names)))
        return result
