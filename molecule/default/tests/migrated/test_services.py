"""After migrate.yml: what runs, and what was left alone."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.air_risk import BYSTANDERS, CELERY_SERVICES, SERVICES_AFTER, AirRisk
from testbed.deploy import ORIGIN, PROJECT


def test_five_services_run_and_nothing_else_is_left(app: AirRisk) -> None:
    services = app.services()
    assert set(services) == SERVICES_AFTER
    assert {container.state for container in services.values()} == {"running"}
    assert {container.restarts for container in services.values()} == {0}


@pytest.mark.parametrize("service", BYSTANDERS)
def test_bystanders_were_not_touched(service: str, app: AirRisk, before: dict[str, Any]) -> None:
    was, now = before["containers"][service], app.services()[service]
    assert (now.id, now.started_at) == (was["id"], was["started_at"])


def test_a_task_is_executed_once_by_django_q(app: AirRisk) -> None:
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["django_q"]


def test_a_task_for_later_is_not_executed_early(app: AirRisk) -> None:
    uid = app.submit(countdown=3)
    assert app.executions(uid) == []
    assert [row["engine"] for row in app.wait_for(uid)] == ["django_q"]


def test_web_has_no_celery_package(app: AirRisk) -> None:
    listed = app.compose("exec", "-T", "web", "python", "-m", "pip", "list", "--format=freeze")
    names = {line.partition("==")[0].lower() for line in listed.splitlines()}
    assert "django-q2" in names
    assert not names & {"celery", "kombu", "billiard", "django-celery-beat"}


def test_web_and_qcluster_run_one_and_the_same_image(app: AirRisk, before: dict[str, Any]) -> None:
    services = app.services()
    assert services["web"].image_id == services["qcluster"].image_id
    assert services["web"].image_id != before["containers"]["web"]["image_id"]


def test_qcluster_is_healthy_and_comes_back_by_itself(app: AirRisk) -> None:
    qcluster = app.services()["qcluster"]
    assert qcluster.health in {"healthy", "starting"}
    assert qcluster.restart_policy == "unless-stopped"


def test_target_release_is_checked_out(host: Any, app: AirRisk) -> None:
    ref = app.manifest()["release"]["target_ref"]
    assert ref.startswith("django-q")
    head = host.check_output(f"git -C {PROJECT} rev-parse HEAD")
    assert head == host.check_output(f"git -C {ORIGIN} rev-parse {ref}^{{commit}}")


def test_compose_file_has_no_celery_service_and_is_valid(app: AirRisk) -> None:
    services = set(app.compose("config", "--services").split())
    assert services == SERVICES_AFTER
    assert not services & set(CELERY_SERVICES)


def test_only_the_compose_file_differs_from_the_release(host: Any) -> None:
    changes = host.check_output(f"git -C {PROJECT} status --porcelain").split()
    assert changes == ["M", "docker-compose.yml"]


def test_broker_is_empty(app: AirRisk) -> None:
    for key, command in (("gis", "LLEN"), ("default", "LLEN"), ("unacked", "HLEN")):
        assert app.compose("exec", "-T", "redis", "redis-cli", "-n", "0", command, key) == "0"
