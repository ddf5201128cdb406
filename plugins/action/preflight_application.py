# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Asks the application several questions, through the door `app_script`."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.cutover.django_q.plugins.action.app_script import sources_of
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_questions import (
    answers_of,
)

SCRIPT = "preflight_parts"


class ActionModule(ActionBase):
    """The whole of `preflight_application`."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Ask in each container once; an answer that fails is an answer as well."""
        result = super().run(tmp, task_vars)
        shared = {key: value for key, value in self._task.args.items() if key != "questions"}
        sources = sources_of(SCRIPT)
        answers: dict[str, dict[str, Any]] = {}
        for question in self._task.args.get("questions") or []:
            place = {key: value for key, value in question.items() if key != "parts"}
            done = self._execute_module(
                module_name="cutover.django_q.app_script",
                module_args={
                    **shared,
                    **place,
                    "script": SCRIPT,
                    "params": {"parts": question["parts"]},
                    "sources": sources,
                },
                task_vars=task_vars,
            )
            answers.update(answers_of(question["parts"], done))
        result.update(changed=False, answers=answers)
        return result
