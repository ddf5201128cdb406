# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Carries the manifest from task to task in check mode, in which nothing is written."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    """The part of `run_manifest` that runs on the control node."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the module; in check mode with the manifest as the tasks before left it."""
        super().run(tmp, task_vars)
        arguments = dict(self._task.args)
        if self._task.check_mode:
            arguments["current"] = (task_vars or {}).get("run_record_manifest") or {}
        return self._execute_module(
            module_name="cutover.django_q.run_manifest",
            module_args=arguments,
            task_vars=task_vars,
        )
