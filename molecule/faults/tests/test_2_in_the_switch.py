"""What fails in the switch goes back by itself; the next fault starts where this one ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from testbed.air_risk import AirRisk
from testbed.faults import TAKEN_BACK, Scene


@dataclass(frozen=True)
class Fault:
    """A release that is broken.

    Attributes:
        ref: Its tag.
        step: Words of the step that fails.
        reasons: Words of the reason.
        variables: Given to migrate.yml besides.
        marks: Of the test: the slow ones are not in `make test`.
    """

    ref: str
    step: str
    reasons: list[str]
    variables: dict[str, Any] = field(default_factory=dict)
    marks: tuple[pytest.MarkDecorator, ...] = ()


FAULTS = {
    "migration_failing_halfway": Fault(
        "bad-migration",
        step="Apply the pending migrations",
        reasons=['relation "ledger_execution" already exists'],
    ),
    "setup_schedules_raising": Fault(
        "bad-setup",
        step="Run setup_schedules",
        reasons=["setup_schedules fails on purpose"],
        marks=(pytest.mark.slow,),
    ),
    "qcluster_crash_looping": Fault(
        "bad-qcluster",
        step="Prove | ",
        reasons=["qcluster"],
        variables={"qcluster_start_timeout": 20},
        marks=(pytest.mark.slow,),
    ),
    "qcluster_that_takes_no_task": Fault(
        "deaf-qcluster",
        step="Require that each cluster finished its task",
        reasons=["did not finish a probe task within 15 s"],
        variables={"qcluster_start_timeout": 15},
        marks=(pytest.mark.slow,),
    ),
    "web_unhealthy_on_the_new_release": Fault(
        "bad-web",
        step="Recreate web and the other producers on the new release",
        reasons=["web did not get up", "release_switch_timeout"],
        variables={"release_switch_timeout": 25},
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=fault.marks) for name, fault in FAULTS.items()]
)
def test_a_fault_in_the_switch_goes_back_by_itself(name: str, scene: Scene, app: AirRisk) -> None:
    fault = FAULTS[name]
    status, text = scene.play("migrate", release_target_ref=fault.ref, **fault.variables)
    assert status != 0
    scene.assert_told(text, fault.step, fault.reasons, TAKEN_BACK)
    assert app.manifest()["state"] == "rolled_back"
    scene.assert_as_before()
