"""After migrate.yml with a tar: its files are laid over the project, its image runs."""

from __future__ import annotations

from typing import Any

import pytest
from testbed.air_risk import BYSTANDERS, SERVICES_AFTER, AirRisk
from testbed.deploy import PROJECT


def test_five_services_run(app: AirRisk) -> None:
    services = app.services()
    assert set(services) == SERVICES_AFTER
    assert {container.state for container in services.values()} == {"running"}


def test_the_tars_code_was_linted(app: AirRisk) -> None:
    linted = app.manifest()["preflight"]["lint"]
    assert linted["files"] > 50
    assert linted["errors"] == 0


def test_a_task_is_executed_once_by_django_q(app: AirRisk) -> None:
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["django_q"]


def test_web_and_qcluster_run_what_was_built_from_the_tar(app: AirRisk) -> None:
    (image,) = app.manifest()["release"]["images"]
    services = app.services()
    assert {services[name].image_id for name in ("web", "qcluster")} == {image["after"]["id"]}
    assert image["before"]["id"] != image["after"]["id"]


def test_files_are_those_of_the_release(app: AirRisk, host: Any) -> None:
    tree = app.manifest()["release"]["tree"]
    found = host.run(f"diff --recursive --brief {tree} {PROJECT}").stdout.splitlines()
    compose = f"Files {tree}/docker-compose.yml and {PROJECT}/docker-compose.yml differ"
    assert [line for line in found if not line.startswith(f"Only in {PROJECT}")] == [compose]
    assert not host.file(f"{PROJECT}/air_risk/celery.py").exists


def test_the_checkout_itself_did_not_move(host: Any, before: dict[str, Any]) -> None:
    assert host.check_output(f"git -C {PROJECT} rev-parse HEAD") == before["git"]["head"]


def test_untracked_files_stay(host: Any, before: dict[str, Any]) -> None:
    environment = host.file(f"{PROJECT}/.env")
    assert environment.sha256sum == before["digest"]["files"][f"{PROJECT}/.env"]


def test_seconds_without_web_are_recorded(app: AirRisk) -> None:
    assert app.manifest()["release"]["web_gap_seconds"] > 0


@pytest.mark.parametrize("service", BYSTANDERS)
def test_bystanders_were_not_touched(service: str, app: AirRisk, before: dict[str, Any]) -> None:
    was, now = before["containers"][service], app.services()[service]
    assert (now.id, now.started_at) == (was["id"], was["started_at"])
