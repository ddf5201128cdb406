# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""All rules of the preflight over all that is known so far."""

from __future__ import annotations

from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import (
    preflight_rules_application as application,
)
from ansible_collections.cutover.django_q.plugins.module_utils import (
    preflight_rules_drain as on_drain,
)
from ansible_collections.cutover.django_q.plugins.module_utils import (
    preflight_rules_host as on_host,
)
from ansible_collections.cutover.django_q.plugins.module_utils import (
    preflight_rules_target as on_target,
)
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_findings import in_order
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_lint import WHAT


def judge(facts: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Judge what is known; what was not looked at yet is named, with the reason.

    Args:
        facts: `host` (of preflight_host); `database` (of postgres_facts), `answers` (of
            preflight_application), `trial` (findings of fetching, building and editing aside),
            `lint` (of preflight_lint) and `target` (answers from the target's image): None as long
            as they were not looked at; `code_mounted` says whether the code is mounted from the
            host, once that is known.
        settings: see the rules; `lint` says whether the target's code is to be linted.

    Returns:
        {findings, unchecked, blocked (an error was found), usable (containers can be asked)}.
    """
    host = facts["host"]
    database = facts.get("database")
    answers = facts.get("answers")
    trial = facts.get("trial")
    lint = facts.get("lint")
    target = facts.get("target")
    found, usable = on_host.judge_host(host, settings)
    if database is not None:
        application.judge_database(found, database, settings)
    if answers is not None:
        application.judge_identity(found, answers)
        if "django_q" in answers:
            application.judge_django_q_before(found, answers["django_q"])
        if "celery" in answers:
            application.judge_celery(found, answers["celery"], settings, target or {})
        else:
            found.skip("Celery's queues and beat's schedule", "neither a worker nor web runs")
        if database is None:
            found.skip("whether the database can be dumped", "its service does not run")
    if usable:
        on_host.judge_room(found, host, database, settings)
    if trial is not None:
        found.take(trial)
        celery = ((answers or {}).get("celery") or {}).get("result") or {}
        on_drain.judge_mounted(found, bool(facts.get("code_mounted")), celery)
    if lint is not None:
        found.take(lint["findings"])
        found.unchecked += lint["unchecked"]
    if target is not None:
        on_target.judge_target(found, target, answers or {}, settings)
    because = "an error above has to be mended first"
    if not usable:
        found.skip("the application, its broker and its database", because)
        found.skip("the room for dump, restore test and images", because)
    if trial is None:
        found.skip("the edit of the Compose file", because)
    if lint is None:
        found.skip(WHAT, because if settings["lint"] else "preflight_lint is false")
    if target is None:
        found.skip(
            "the target's image: Q_CLUSTER, migrations, every schedule's function",
            "in check mode nothing is fetched or built"
            if settings["check_mode"] and trial is not None
            else because,
        )
    return {
        "findings": in_order(found.findings),
        "unchecked": found.unchecked,
        "blocked": found.blocked,
        "usable": usable,
    }
