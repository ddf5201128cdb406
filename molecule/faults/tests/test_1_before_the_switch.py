"""What fails before the first change changes nothing, down to the last file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from testbed import hosts, standing
from testbed.air_risk import AirRisk
from testbed.deploy import STATE
from testbed.faults import NOTHING_CHANGED, Scene

SMALL = "/mnt/small"
#: A check that reads another table by a name without its schema: it holds in the database, and no
#: restore of it can work, since pg_restore sees no schema but those that are named.
FRAGILE = """
CREATE FUNCTION has_ledger(integer) RETURNS boolean LANGUAGE sql
    AS 'SELECT count(*) >= 0 FROM ledger_execution';
CREATE TABLE fragile (number integer CHECK (has_ledger(number)));
INSERT INTO fragile VALUES (1);
"""


@dataclass(frozen=True)
class Fault:
    """One fault.

    Attributes:
        step: Words of the step that fails.
        reasons: Words of the reason.
        variables: Given to migrate.yml.
        spoil, mend: Shell in the host, before and after.
        spoil_sql, mend_sql: The same in the application's database.
        when, do: Shell in the host: done as soon as the condition holds.
        marks: Of the test: the slow ones are not in `make test`.
    """

    step: str
    reasons: list[str]
    variables: dict[str, Any] = field(default_factory=dict)
    spoil: str = ""
    mend: str = ""
    spoil_sql: str = ""
    mend_sql: str = ""
    when: str = "true"
    do: str = "true"
    marks: tuple[pytest.MarkDecorator, ...] = ()


FAULTS = {
    "disk_full_during_the_dump": Fault(
        step="Write the dump",
        reasons=[f"The disk of {SMALL}/dumps became full", "Make room"],
        variables={"postgres_backup_dir": f"{SMALL}/dumps"},
        spoil=f"mkdir -p {SMALL} && mount -t tmpfs -o size=8k small {SMALL}",
        mend=f'test -z "$(find {SMALL} -type f)" && umount {SMALL} && rmdir {SMALL}',
    ),
    "dump_corrupted_after_it_was_written": Fault(
        step="Prove it by a restore into a scratch database",
        reasons=["is not what its sidecar describes", "SHA-256"],
        when=f"ls {STATE}/runs/*/*.dump.zst.json",
        do=f"printf X | dd of=$(ls {STATE}/runs/*/*.dump.zst) bs=1 seek=1000 conv=notrunc",
    ),
    "restore_test_failing": Fault(
        step="Prove it by a restore into a scratch database",
        reasons=["ledger_execution"],
        spoil_sql=FRAGILE,
        mend_sql="DROP TABLE fragile; DROP FUNCTION has_ledger",
        marks=(pytest.mark.slow,),
    ),
    "build_failing": Fault(
        step="Refuse",
        reasons=["release_not_built", "the build fails on purpose"],
        variables={"release_target_ref": "bad-build"},
        marks=(pytest.mark.slow,),
    ),
    "secret_key_that_differs": Fault(
        step="Refuse",
        reasons=["secret_key_changed", "SECRET_KEY is another one in the target's image"],
        variables={"release_target_ref": "other-key"},
        marks=(pytest.mark.slow,),
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=fault.marks) for name, fault in FAULTS.items()]
)
def test_a_fault_before_the_switch_changes_nothing(
    name: str, scene: Scene, host: hosts.Host, app: AirRisk
) -> None:
    fault = FAULTS[name]
    host.run("sh", "-eu", "-c", fault.spoil or "true")
    app.sql(fault.spoil_sql)
    try:
        with scene.trap(fault.when, fault.do):
            status, text = scene.play("migrate", **fault.variables)
    finally:
        host.run("sh", "-eu", "-c", fault.mend or "true")
        app.sql(fault.mend_sql)
    assert status != 0
    scene.assert_told(text, fault.step, fault.reasons, NOTHING_CHANGED)
    scene.assert_untouched()
    scene.assert_as_before()


@pytest.mark.slow
def test_a_dump_that_was_damaged_since_the_preparation_is_made_anew(
    scene: Scene, host: hosts.Host, app: AirRisk
) -> None:
    status, text = scene.play("prepare")
    assert status == 0, text
    prepared = app.manifest()["postgres_backup"]
    damage = f"printf X | dd of={prepared['path']} bs=1 seek=1000 conv=notrunc"
    host.run("sh", "-c", damage)
    status, text = scene.play("migrate")
    assert status == 0, text
    assert f"{prepared['path']} is damaged" in text
    made = app.manifest()["postgres_backup"]
    assert made["verified"]
    assert made["path"] != prepared["path"]
    scene.assert_migrated()
    status, text = scene.play("rollback")
    assert status == 0, text
    standing.assert_as_before(host, scene.before)
