# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Asks the application several questions, each through the door `app_script`."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.cutover.django_q.plugins.action.app_script import reads_only, sources_of


class ActionModule(ActionBase):
    """The whole of `preflight_application`."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask each question; an answer that fails is an answer as well."""
        result = super().run(tmp, task_vars)
        shared = {key: value for key, value in self._task.args.items() if key != "questions"}
        answers: dict[str, dict[str, Any]] = {}
        for question in self._task.args.get("questions") or []:
            sources = sources_of(str(question["script"]))
            if not reads_only(sources[-1][1]):
                raise AnsibleActionFail(
                    f"preflight_application: the script {question['script']} changes data."
                )
            own = {key: value for key, value in question.items() if key != "name"}
            done = self._execute_module(
                module_name="cutover.django_q.app_script",
                module_args={**shared, **own, "sources": sources},
                task_vars=task_vars,
            )
            failed = bool(done.get("failed"))
            answers[str(question["name"])] = {
                "result": {} if failed else done.get("result") or {},
                "error": str(done.get("msg") or "it failed and said nothing") if failed else "",
            }
        result.update(changed=False, answers=answers)
        return result
