# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The preflight's filters: facts in, findings out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.preflight_document import document
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_findings import (
    as_text,
    headline,
    of_failure,
    of_places,
)
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_judge import judge
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_questions import (
    questions,
    running,
)


def preflight_findings(facts: dict[str, Any], settings: dict[str, Any]) -> dict[str, Any]:
    """Judge what is known so far; see `preflight_judge.judge`."""
    return judge(facts, settings)


def preflight_text(
    findings: list[dict[str, str]], unchecked: list[dict[str, str]] | None = None
) -> str:
    """Findings as a list for people."""
    return as_text(findings, unchecked or [])


class FilterModule:
    """The filters by name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """See the class's docstring."""
        return {
            "preflight_findings": preflight_findings,
            "preflight_document": document,
            "preflight_failure": of_failure,
            "preflight_places": of_places,
            "preflight_questions": questions,
            "preflight_running": running,
            "preflight_text": preflight_text,
            "preflight_headline": headline,
        }
