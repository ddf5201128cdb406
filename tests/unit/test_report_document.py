"""The report of a run: from the manifest and what runs now."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.report_document import (
    change_of,
    report_document,
    report_next,
    report_text,
)

MIB = 1024 * 1024
NAMES = {"celery": ["celery_worker", "celery_beat"], "django_q": ["qcluster"]}


def container(service: str, **more: Any) -> dict[str, Any]:
    """A running container."""
    return {
        "id": f"{service}-id",
        "name": f"air_risk-{service}-1",
        "service": service,
        "state": "running",
        "started_at": "2026-03-27T10:00:00Z",
        "memory": 50 * MIB,
        **more,
    }


def manifest(**more: Any) -> dict[str, Any]:
    """The manifest of a run that migrated."""
    services = ["web", "db", "celery_worker", "celery_beat", "qcluster"]
    return {
        "run_id": "20260327T100000Z-1a2b",
        "state": "migrated",
        "project": {"name": "air_risk"},
        "preflight": {
            "git": {"sha": "abc", "branch": "main", "describe": "celery"},
            "services": {name: {"containers": [container(name)]} for name in services},
            "memory": {f"air_risk-{name}-1": 60 * MIB for name in services},
            "celery": {"beat": {"entries": [{"enabled": True}, {"enabled": False}]}},
            "django_q": {"schedules": [{"repeats": -1}]},
        },
        "release": {"target_ref": "django-q", "web_gap_seconds": 0.6, "web_gap_bare_seconds": 0.5},
        "celery_drain": {"worker_gap_seconds": 0.0, "web_gap_seconds": 0.2},
        "compose_services": {"patch": "/var/lib/cutover/air_risk/runs/x/compose.patch"},
        "postgres_backup": {"path": "/b/air_risk.dump", "size": 3 * MIB, "verified": True},
        "verify": {"rows": [{"repeats": -1}, {"repeats": -1}, {"repeats": 0}]},
        "phases": [
            {
                "name": "preflight",
                "start": "2026-03-27T10:00:00.000Z",
                "end": "2026-03-27T10:00:12.500Z",
                "outcome": "ok",
            },
            {
                "name": "verify",
                "start": "2026-03-27T10:00:12.500Z",
                "end": None,
                "outcome": "running",
            },
        ],
        **more,
    }


AFTER = [
    container("web", id="new-id"),
    container("db"),
    container("qcluster", id="new-q"),
]


def test_before_and_after() -> None:
    document = report_document(manifest(), AFTER, NAMES)
    assert document["containers"] == {"before": 5, "after": 3}
    assert document["memory"] == {"before": 300 * MIB, "after": 150 * MIB}
    assert document["task_systems"] == {"before": ["celery", "django_q"], "after": ["django_q"]}
    assert document["refs"] == {"before": "celery", "after": "django-q"}
    assert document["schedules"] == {
        "beat_enabled": 1,
        "beat_disabled": 1,
        "django_q_before": 1,
        "django_q_after": 2,
        "parked_after": 1,
    }
    assert document["backup"] == {"path": "/b/air_risk.dump", "size": 3 * MIB, "verified": True}


def test_phases_in_seconds_the_running_one_without() -> None:
    document = report_document(manifest(), AFTER, NAMES)
    assert [item["seconds"] for item in document["phases"]] == [12.5, None]
    assert document["seconds"] == 12.5


def test_of_two_gaps_of_one_name_the_longer_one_counts() -> None:
    assert report_document(manifest(), AFTER, NAMES)["gaps"] == {
        "web": 0.6,
        "web (recreated bare, beside it)": 0.5,
        "worker": 0.0,
    }


def test_the_way_back_shows_its_own_gaps() -> None:
    back = {"web_gap_seconds": 0.4, "worker_gap_seconds": 0.0}
    document = report_document(manifest(state="rolling_back", celery_restore=back), AFTER, NAMES)
    assert document["gaps"] == {"web": 0.4, "worker": 0.0}
    assert "web" in report_document(manifest(celery_restore=back), AFTER, NAMES)["gaps"]


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ([], [container("web")], "new"),
        ([container("web")], [], "dropped"),
        ([container("web")], [container("web")], "same"),
        ([container("web")], [container("web", started_at="later")], "restarted"),
        ([container("web")], [container("web", id="other")], "replaced"),
    ],
)
def test_change(before: list[Any], after: list[Any], change: str) -> None:
    assert change_of(before, after) == change


def test_after_a_rollback_the_release_is_the_old_one() -> None:
    document = report_document(manifest(state="rolling_back"), AFTER, NAMES)
    assert document["state"] == "rolled_back"
    assert document["refs"]["after"] == "celery"
    assert document["schedules"]["django_q_after"] is None


def test_a_manifest_that_holds_little_gives_a_report_that_says_little() -> None:
    document = report_document({"run_id": "x", "state": "preparing"}, [], NAMES)
    assert document["services"] == []
    assert "(none)" in report_text(document)


def test_text() -> None:
    text = report_text(report_document(manifest(), AFTER, NAMES))
    assert "air_risk, run 20260327T100000Z-1a2b: migrated" in text
    assert "task systems  celery, django_q" in text
    assert "1 beat (+1 disabled), 1 django_q" in text
    assert "2 django_q (+1 parked)" in text
    assert "without web: 0.6 s" in text
    assert "backup: 3.0 MiB, verified, /b/air_risk.dump" in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_next_names_the_patch_and_the_commands() -> None:
    text = report_next(report_document(manifest(), AFTER, NAMES), "/runs/x", "inventories/demo")
    assert "compose.patch" in text
    assert "ansible-playbook -i inventories/demo playbooks/rollback.yml" in text
    back = report_document(manifest(state="rolled_back"), AFTER, NAMES)
    assert "playbooks/migrate.yml" in report_next(back, "/runs/x", "inventories/demo")
    assert "compose.patch" not in report_next(back, "/runs/x", "inventories/demo")
