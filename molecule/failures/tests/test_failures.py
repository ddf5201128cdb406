"""A failure in the switch goes back by itself; an interrupted run goes on, or back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from testbed import playbooks
from testbed.air_risk import SERVICES_AFTER, AirRisk

INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
WENT_BACK = "The service runs what it ran before; everything that was changed was taken back."


@pytest.mark.parametrize(
    ("target", "variables", "reason"),
    [
        ("bad-qcluster", {"qcluster_start_timeout": 20}, "qcluster"),
        ("bad-web", {"release_switch_timeout": 25}, "web"),
    ],
)
def test_a_failure_in_the_switch_goes_back_by_itself(
    target: str,
    variables: dict[str, Any],
    reason: str,
    app: AirRisk,
    as_before: Callable[[], None],
) -> None:
    status, text = playbooks.run(INVENTORY, "migrate", release_target_ref=target, **variables)
    assert status != 0
    assert "Failed step:" in text
    assert WENT_BACK in text, text
    assert "Go on: mend the cause, then run playbooks/migrate.yml again." in text
    manifest = app.manifest()
    assert manifest["state"] == "rolled_back"
    assert reason in (manifest["failure"]["task"] + manifest["failure"]["reason"]).lower()
    as_before()


def test_an_interrupted_migration_goes_back(app: AirRisk, as_before: Callable[[], None]) -> None:
    playbooks.kill_when(playbooks.in_phase(app, "celery"), INVENTORY, "migrate")
    assert app.manifest()["state"] == "switching"
    status, text = playbooks.run(INVENTORY, "rollback")
    assert status == 0, text
    assert app.manifest()["state"] == "rolled_back"
    as_before()


def test_an_interrupted_migration_goes_on(app: AirRisk) -> None:
    playbooks.kill_when(playbooks.in_phase(app, "qcluster"), INVENTORY, "migrate")
    interrupted = app.manifest()["run_id"]
    status, text = playbooks.run(INVENTORY, "migrate")
    assert status == 0, text
    manifest = app.manifest()
    assert (manifest["run_id"], manifest["state"]) == (interrupted, "migrated")
    assert set(app.services()) == SERVICES_AFTER
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["django_q"]


def test_an_interrupted_rollback_goes_on(app: AirRisk, as_before: Callable[[], None]) -> None:
    playbooks.kill_when(playbooks.in_phase(app, "rollback"), INVENTORY, "rollback")
    status, text = playbooks.run(INVENTORY, "migrate")
    assert status != 0
    assert "playbooks/rollback.yml" in text
    status, text = playbooks.run(INVENTORY, "rollback")
    assert status == 0, text
    as_before()
