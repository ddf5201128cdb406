"""Before anything is done: the sample application on Celery, with Django-Q beside it."""

from __future__ import annotations

from typing import Any

from testbed.air_risk import SERVICES_BEFORE, AirRisk


def test_seven_services_run(app: AirRisk) -> None:
    services = app.services()
    assert set(services) == SERVICES_BEFORE
    assert {container.state for container in services.values()} == {"running"}


def test_a_task_is_executed_once_by_celery(app: AirRisk) -> None:
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["celery"]


def test_the_checkout_is_clean_and_on_its_branch(before: dict[str, Any]) -> None:
    assert before["git"]["branch"] == "main"
    assert before["git"]["changes"] == ""


def test_both_task_systems_have_schedules(app: AirRisk) -> None:
    beat = app.periodic_tasks()
    assert sum(beat.values()) == 7, "six of the application and celery.backend_cleanup"
    assert [name for name, enabled in beat.items() if not enabled] == ["legacy-nightly-report"]
    assert list(app.schedules().values()) == [-1]
