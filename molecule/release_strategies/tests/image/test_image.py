"""After migrate.yml with an image of a registry: it runs, and the files stayed as they were."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.air_risk import BYSTANDERS, SERVICES_AFTER, AirRisk
from testbed.deploy import PROJECT


def test_five_services_run(app: AirRisk) -> None:
    services = app.services()
    assert set(services) == SERVICES_AFTER
    assert {container.state for container in services.values()} == {"running"}


def test_the_images_code_was_linted(app: AirRisk) -> None:
    linted = app.manifest()["preflight"]["lint"]
    assert linted["files"] > 50
    assert linted["errors"] == 0


def test_a_task_is_executed_once_by_django_q(app: AirRisk) -> None:
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["django_q"]


def test_web_and_qcluster_run_what_the_registry_has(app: AirRisk, host: Any) -> None:
    headers = "-H 'Accept: application/vnd.docker.distribution.manifest.v2+json'"
    manifest = host.check_output(f"curl -fsS {headers} localhost:5000/v2/air_risk/manifests/2")
    services = app.services()
    ids = {services[name].image_id for name in ("web", "qcluster")}
    assert len(ids) == 1
    assert ids.pop() in manifest


def test_only_the_compose_file_changed(host: Any, before: dict[str, Any]) -> None:
    git = f"git -C {PROJECT}"
    assert host.check_output(f"{git} rev-parse HEAD") == before["git"]["head"]
    assert host.check_output(f"{git} status --porcelain").split() == ["M", "docker-compose.yml"]


@pytest.mark.parametrize("service", BYSTANDERS)
def test_bystanders_were_not_touched(service: str, app: AirRisk, before: dict[str, Any]) -> None:
    was, now = before["containers"][service], app.services()[service]
    assert (now.id, now.started_at) == (was["id"], was["started_at"])
