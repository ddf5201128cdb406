# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Reads an application script on the control node and hands it to the module `app_script`."""

from __future__ import annotations

import ast
import os
from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

SCRIPTS = os.path.join(os.path.dirname(os.path.dirname(__file__)), "module_utils", "app")


PACKAGE = "ansible_collections.cutover.django_q.plugins.module_utils.app"


def reads_only(source: str) -> bool:
    """Whether a script declares by `READS_ONLY = True` that it changes nothing."""
    for node in ast.parse(source).body:
        if (
            isinstance(node, ast.Assign)
            and any(isinstance(name, ast.Name) and name.id == "READS_ONLY" for name in node.targets)
            and isinstance(node.value, ast.Constant)
        ):
            return node.value.value is True
    return False


def siblings(source: str) -> list[str]:
    """The names of the other scripts that a script imports, in order."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == PACKAGE:
                names += [alias.name for alias in node.names]
            elif node.module.startswith(PACKAGE + "."):
                names.append(node.module[len(PACKAGE) + 1 :])
    return names


def sources_of(name: str) -> list[list[str]]:
    """A script and those it imports as [[name, text], …], each after those that it needs.

    Raises:
        OSError: one of them is not there.
    """
    ordered: list[list[str]] = []

    def add(wanted: str) -> None:
        if any(wanted == known for known, _text in ordered):
            return
        with open(os.path.join(SCRIPTS, wanted + ".py"), encoding="utf-8") as stream:
            text = stream.read()
        for sibling in siblings(text):
            add(sibling)
        ordered.append([wanted, text])

    add(name)
    return ordered


class ActionModule(ActionBase):
    """The part of `app_script` that runs on the control node."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the module with the script's text among its arguments."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        name = str(arguments.get("script", ""))
        path = os.path.join(SCRIPTS, name + ".py")
        if not name.isidentifier() or not os.path.isfile(path):
            known = sorted(
                entry[:-3]
                for entry in os.listdir(SCRIPTS)
                if entry.endswith(".py") and not entry.startswith("_")
            )
            raise AnsibleActionFail(
                f"app_script: there is no script {name!r}; expected one of: {', '.join(known)}."
            )
        sources = sources_of(name)
        if self._task.check_mode and not reads_only(sources[-1][1]):
            message = f"{name} changes data: not run in check mode."
            return {"skipped": True, "changed": False, "msg": message}
        return self._execute_module(
            module_name="cutover.django_q.app_script",
            module_args={**arguments, "sources": sources},
            task_vars=task_vars,
        )
