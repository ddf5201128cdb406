# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Several scripts in one process of the application; one that fails hides nothing of the others.

Params:
    parts: [{name, script, params}], with scripts of `SCRIPTS`.
"""

from __future__ import annotations

READS_ONLY = True

SCRIPTS = ("celery_state", "django_q_state", "identity", "target_check")


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {name: {result, error}}; the result is {} where the script failed, and the error is its
        last words.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        celery_state,
        django_q_state,
        identity,
        target_check,
    )

    scripts = {
        module.__name__.rpartition(".")[2]: module
        for module in (celery_state, django_q_state, identity, target_check)
    }
    answers = {}
    for part in params["parts"]:
        try:
            result = scripts[part["script"]].run(part.get("params") or {})
            answers[part["name"]] = {"result": result, "error": ""}
        except (Exception, SystemExit) as error:
            words = f"{type(error).__name__}: {error}".strip()
            answers[part["name"]] = {"result": {}, "error": words}
    return answers
