"""After rollback.yml: the application on Celery, its database still elsewhere."""

from __future__ import annotations

from testbed.air_risk import AirRisk


def test_six_services_run(app: AirRisk) -> None:
    services = app.services()
    celery = {"celery_beat", "celery_worker"}
    assert set(services) == {"geoserver", "qcluster", "redis", "web"} | celery
    assert {container.state for container in services.values()} == {"running"}


def test_a_task_is_executed_once_by_celery(app: AirRisk) -> None:
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["celery"]
