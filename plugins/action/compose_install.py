# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Makes the diff of `compose_install` on the control node, where YAML can be read."""

from __future__ import annotations

from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.cutover.django_q.plugins.module_utils.compose_files import decoded
from ansible_collections.cutover.django_q.plugins.module_utils.compose_patch import masked


class ActionModule(ActionBase):
    """The part of `compose_install` that runs on the control node."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Run the module and turn the contents that it returns into a diff without values."""
        super().run(tmp, task_vars)
        result = self._execute_module(
            module_name="cutover.django_q.compose_install",
            module_args=dict(self._task.args),
            task_vars=task_vars,
        )
        contents = result.pop("contents", [])
        if self._task.diff:
            result["diff"] = [
                {
                    "before": _shown(item["path"], item["before"]),
                    "after": _shown(item["path"], item["after"]),
                    "before_header": item["path"],
                    "after_header": item["path"],
                }
                for item in contents
            ]
        return result


def _shown(path: str, data: str) -> str:
    """A file's text as it may be shown; a file that was not there is empty."""
    text = decoded(data).decode("utf-8", errors="replace")
    return masked(path, text) if text else ""
