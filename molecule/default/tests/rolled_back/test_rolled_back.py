"""After rollback.yml: what ran before is what runs after."""

from __future__ import annotations

from typing import Any

import pytest
from testbed import record
from testbed.air_risk import BYSTANDERS, SERVICES_BEFORE, AirRisk
from testbed.deploy import PROJECT, STATE


def test_seven_services_run(app: AirRisk) -> None:
    services = app.services()
    assert set(services) == SERVICES_BEFORE
    assert {container.state for container in services.values()} == {"running"}
    assert {container.restarts for container in services.values()} == {0}


@pytest.mark.parametrize("service", sorted(SERVICES_BEFORE))
def test_images_and_restart_policies_are_those_of_before(
    service: str, app: AirRisk, before: dict[str, Any]
) -> None:
    was, now = before["containers"][service], app.services()[service]
    assert now.image_id == was["image_id"]
    assert now.restart_policy == was["restart_policy"]


@pytest.mark.parametrize("service", BYSTANDERS)
def test_bystanders_were_not_touched(service: str, app: AirRisk, before: dict[str, Any]) -> None:
    was, now = before["containers"][service], app.services()[service]
    assert (now.id, now.started_at) == (was["id"], was["started_at"])


def test_compose_file_is_the_original_byte_for_byte(host: Any, before: dict[str, Any]) -> None:
    assert host.file(f"{PROJECT}/docker-compose.yml").sha256sum == before["compose_sha256"]


def test_checkout_is_where_it_was(host: Any, before: dict[str, Any]) -> None:
    git = f"git -C {PROJECT}"
    found = {
        "head": host.check_output(f"{git} rev-parse HEAD"),
        "branch": host.check_output(f"{git} branch --show-current"),
        "changes": host.check_output(f"{git} status --porcelain"),
    }
    assert found == before["git"]


def test_a_task_is_executed_once_by_celery(app: AirRisk) -> None:
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["celery"]


def test_beat_has_its_rows_as_they_were(app: AirRisk, before: dict[str, Any]) -> None:
    assert record.beat(app) == before["beat"]


def test_native_schedule_is_live_and_no_other_fires_twice(
    app: AirRisk, before: dict[str, Any]
) -> None:
    live = {name for name, repeats in app.schedules().items() if repeats != 0}
    assert live == set(before["schedules"])


def test_run_says_that_it_was_rolled_back(app: AirRisk, host: Any) -> None:
    assert app.manifest()["state"] == "rolled_back"
    assert not host.file(f"{STATE}/lock").exists
