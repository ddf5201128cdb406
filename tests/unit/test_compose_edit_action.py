"""What the action plugin of `compose_edit` judges by itself."""

from __future__ import annotations

import pytest
from ansible_collections.cutover.django_q.plugins.action.compose_edit import (
    judge_missing,
    text_of,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_editor import edit
from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import Refusal

DROP = ["celery_worker", "celery_beat"]
QCLUSTER = [{"name": "qcluster", "cluster": ""}]
WEB = "services:\n  web:\n    image: app\n"
WORKER = "  celery_worker:\n    image: app\n    command: celery -A proj worker\n"
CLUSTER = (
    "  qcluster:\n    image: app\n    command: python manage.py qcluster\n    restart: always\n"
    "    stop_grace_period: 1h\n    healthcheck:\n      test: [CMD, python, alive.py]\n"
)


def levels(text: str, known: set[str]) -> list[tuple[str, str]]:
    """The findings about missing services, as (level, name)."""
    edited = edit([("c.yml", text)], DROP, QCLUSTER)
    judge_missing(edited, ["qcluster"], known, "c.yml")
    return [
        (finding.level, name)
        for finding in edited.findings
        for name in DROP
        if f"service `{name}`" in finding.found
    ]


def test_a_name_beside_one_that_is_there_is_wrong() -> None:
    known = {"web", "celery_worker", "qcluster"}
    assert levels(WEB + WORKER + CLUSTER, known) == [("error", "celery_beat")]


def test_all_gone_and_the_cluster_there_was_edited_before() -> None:
    assert levels(WEB + CLUSTER, {"web", "qcluster"}) == [
        ("note", "celery_beat"),
        ("note", "celery_worker"),
    ]


def test_what_the_target_release_dropped_itself_is_no_error() -> None:
    known = {"web", "qcluster", "celery_worker", "celery_beat"}
    assert levels(WEB + WORKER + CLUSTER, known) == [("note", "celery_beat")]
    assert levels(WEB + CLUSTER, known) == [("note", "celery_worker"), ("note", "celery_beat")]


def test_a_file_that_is_no_utf8_is_refused_with_its_line() -> None:
    assert text_of("c.yml", "ä\n".encode()) == "ä\n"
    with pytest.raises(Refusal, match=r"c\.yml:2: this is no UTF-8 text"):
        text_of("c.yml", b"a\n\xff\n")
