"""What `verify` makes of what it has read: every kind of finding, and none where all is well."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import verify_findings
from ansible_collections.cutover.django_q.plugins.module_utils.verify_text import verify_text

STARTED = "2026-03-27T10:00:00.1Z"


def container(service: str, number: int = 1, **more: Any) -> dict[str, Any]:
    """A running, healthy container of a service."""
    return {
        "id": f"{service}{number}" + "0" * 40,
        "name": f"air_risk-{service}-{number}",
        "service": service,
        "image_id": "sha256:after",
        "started_at": STARTED,
        "state": "running",
        "health": "healthy",
        "restart_count": 0,
        "exit_code": 0,
        **more,
    }


def look(*containers: dict[str, Any], orphans: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """What `compose_info` returns of these containers."""
    services: dict[str, Any] = {}
    for item in containers:
        services.setdefault(item["service"], {"containers": []})["containers"].append(item)
    return {"services": services, "orphans": list(orphans)}


def seen(**more: Any) -> dict[str, Any]:
    """All that the role reads of a deployment on which all is well."""
    now = look(container("web"), container("qcluster"), container("db", image_id="sha256:db"))
    return {
        "first": copy.deepcopy(now),
        "second": now,
        "web": "web",
        "qclusters": ["qcluster"],
        "celery": ["celery_worker", "celery_beat"],
        "manifest": {
            "preflight": {
                "bystanders": ["db"],
                "services": {"db": {"containers": [container("db", image_id="sha256:db")]}},
            },
            "release": {
                "images": [
                    {
                        "name": "air_risk:local",
                        "services": ["web", "qcluster"],
                        "after": {"id": "sha256:after"},
                    }
                ]
            },
        },
        "parity": {
            "problems": [],
            "schedules": [{"name": "daily", "status": "same", "note": ""}],
            "rows": [
                {"name": "daily", "spec": "cron 0 6 * * *", "next": ["2026-03-28T06:00:00+00:00"]}
            ],
        },
        "probe": {"probes": [probe("success")]},
        "task": "platform.node",
        "metrics": {},
        "packages": {},
        **more,
    }


def probe(outcome: str, **more: Any) -> dict[str, Any]:
    """What the script `probe` tells of one cluster."""
    return {
        "cluster": "",
        "queue": "air_risk",
        "task_id": "a" * 32,
        "outcome": outcome,
        "seconds": 0.4,
        "error": "",
        **more,
    }


def ids(state: dict[str, Any]) -> list[str]:
    """The ids of all findings."""
    return [item["id"] for item in verify_findings.verify_findings(state)]


def test_all_is_well() -> None:
    assert ids(seen()) == []


def test_each_finding_says_what_was_expected_and_what_to_do() -> None:
    state = seen(packages={"celery": "5.7.0"}, probe={"probes": [probe("timeout")]})
    for item in verify_findings.verify_findings(state):
        assert item["level"] == "error"
        assert item["found"]
        assert item["expected"]
        assert item["fix"]


def test_everything_at_once() -> None:
    state = seen(
        second=look(
            container("web", health="unhealthy"),
            container("celery_worker", state="exited", health=None),
            container("db", 2, image_id="sha256:db"),
            orphans=(container("celery_beat"),),
        ),
        packages={"celery": "5.7.0"},
        probe={"probes": [probe("failure", error="ValueError: no")]},
    )
    assert ids(state) == [
        "service_unhealthy",
        "service_absent",
        "probe_failure",
        "celery_container",
        "celery_container",
        "celery_service",
        "package_left",
        "bystander_replaced",
    ]


def test_a_stopped_container_of_celery_is_one_too() -> None:
    left = container("celery_worker", state="exited")
    assert (
        ids(seen(second=look(container("web"), container("qcluster"), left)))[0]
        == "celery_container"
    )


def test_a_service_that_is_still_starting_is_not_healthy() -> None:
    now = look(container("web", health="starting"), container("qcluster"))
    assert ids(seen(second=now, manifest={})) == ["service_unhealthy"]


def test_a_service_without_a_health_check_has_to_run() -> None:
    now = look(container("web", health=None), container("qcluster", health=None))
    assert ids(seen(first=now, second=now, manifest={})) == []


def test_a_growing_restart_count() -> None:
    state = seen()
    state["second"]["services"]["qcluster"]["containers"][0]["restart_count"] = 2
    assert ids(state) == ["service_restarts"]


def test_a_restart_count_that_stands_still_is_history() -> None:
    now = look(container("web", restart_count=3), container("qcluster"))
    assert ids(seen(first=now, second=copy.deepcopy(now), manifest={})) == []


def test_a_bystander_that_was_restarted() -> None:
    state = seen()
    state["second"]["services"]["db"]["containers"][0]["started_at"] = "2026-03-27T11:00:00Z"
    [found] = verify_findings.verify_findings(state)
    assert (found["id"], found["level"]) == ("bystander_restarted", "warning")


def test_another_image_than_the_releases() -> None:
    state = seen()
    state["second"]["services"]["web"]["containers"][0]["image_id"] = "sha256:before"
    assert ids(state) == ["image_differs"]


def test_without_a_manifest_what_needs_it_is_left_out() -> None:
    assert ids(seen(manifest={})) == []


def test_a_probe_that_failed_tells_of_the_queue_and_the_clusters() -> None:
    state = seen(
        probe={"probes": [probe("timeout", seconds=60.0), probe("success")]},
        metrics={
            "queues": [{"name": "air_risk", "due": 7, "later": 1, "oldest": 61.0}],
            "clusters": {"visible": True, "cache": "x", "rows": []},
        },
    )
    found = verify_findings.verify_findings(state)
    assert len(found) == 1
    assert "7 due rows" in found[0]["found"]
    assert "No cluster reports" in found[0]["found"]


def test_in_check_mode_there_is_no_probe() -> None:
    assert ids(seen(probe={})) == []


def test_settled() -> None:
    services = look(container("web"), container("qcluster", health="starting"))["services"]
    assert verify_findings.settled(services, ["web"])
    assert not verify_findings.settled(services, ["web", "qcluster"])
    # A service without a container will not change by waiting.
    assert verify_findings.settled(services, ["absent"])


def test_text_shows_probes_schedules_and_containers() -> None:
    text = verify_text(seen())
    assert "(default)  platform.node  success" in text
    assert "daily     same" in text
    assert "qcluster  running  healthy" in text
    assert all(line == line.rstrip() for line in text.splitlines())
