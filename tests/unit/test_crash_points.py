"""The crash matrix: which moments leave the host the same, what the sample and the shards take."""

from __future__ import annotations

import json

import pytest
from testbed import checks
from testbed.crash import facts, points, table
from testbed.crash.points import DURING, START, Point


def listing(*tasks: tuple[str, str, str, bool], script: str = "") -> list[str]:
    """Lines of the callback for tasks given as (name, action, outcome, changed)."""
    lines = []
    for number, (name, action, outcome, changed) in enumerate(tasks, 1):
        key = {"play": 3, "task": number}
        path = "/x/ansible_collections/a/b/roles/run_record/tasks/phase.yml"
        start = {"name": name, "path": path, "line": number, "action": action, "script": script}
        lines.append(json.dumps({**key, **start, "at": 10.0 * number}))
        lines.append(
            json.dumps({**key, "outcome": outcome, "changed": changed, "at": 10.0 * number + 2.5})
        )
    return lines


def point(number: int, *, idle: bool = False, seconds: float = 1.0, where: str = "") -> Point:
    where = where or f"roles/web/tasks/main.yml:{number}"
    return Point(3, number, f"web : Step {number}", where, "container_drain", "", idle, seconds)


def test_a_listing_tells_what_each_task_is() -> None:
    found = points.points(
        listing(
            ("x : Read", "cutover.django_q.compose_info", "ok", False),
            ("x : Stop", "cutover.django_q.container_drain", "ok", False),
            ("x : Export", "ansible.builtin.copy", "skipped", False),
            ("x : Write nothing new", "cutover.django_q.run_manifest", "ok", False),
            ("x : Write", "cutover.django_q.run_manifest", "ok", True),
        )
    )
    assert [item.idle for item in found] == [True, False, True, True, False]
    assert found[1].where == "roles/run_record/tasks/phase.yml:2"
    assert found[1].seconds == 2.5


@pytest.mark.parametrize(("script", "idle"), [("celery_leftovers", True), ("celery_move", False)])
def test_a_script_that_declares_itself_as_reading_is_idle(script: str, idle: bool) -> None:
    task = ("x", "cutover.django_q.app_script", "ok", False)
    assert [item.idle for item in points.points(listing(task, script=script))] == [idle]


def test_a_failed_task_was_at_work() -> None:
    task = ("x", "cutover.django_q.container_drain", "failed", False)
    assert [item.idle for item in points.points(listing(task))] == [False]


def test_points_that_leave_the_host_the_same_share_a_cell() -> None:
    found = [point(1, idle=True), point(2), point(3), point(4, idle=True), point(5, idle=True)]
    assert [[item.task for item in group] for group in points.groups(found)] == [
        [1, 2],
        [3],
        [4, 5],
    ]


def cells() -> list[points.Cell]:
    found = [point(number, idle=number % 3 == 0) for number in range(1, 20)]
    found[8] = point(9, where="roles/run_record/tasks/phase.yml:2")
    return points.cells("migrate", found, 3, ("deployed", "switching"))


def test_every_task_is_in_a_cell_once() -> None:
    starts = [item for item in cells() if item.kind == START]
    first, other, *rest = starts
    assert [item.task for item in (*first.covers, first.point)] == [1, 2, 3, 4]
    assert (first.state, first.then, other.then) == ("deployed", "same", "other")
    covered = [item.task for cell in rest for item in (*cell.covers, cell.point)]
    assert covered == list(range(5, 20))
    assert {cell.state for cell in rest} == {"switching"}
    assert [cell.then for cell in rest[:4]] == ["same", "other", "same", "other"]


def test_modules_that_work_for_a_while_are_ended_in_the_middle() -> None:
    during = [item for item in cells() if item.kind == DURING]
    assert during
    assert all(not item.point.idle and 0 < item.after < 1 for item in during)


def test_names_are_unlike_and_cells_can_be_stored() -> None:
    found = cells()
    assert len({item.name for item in found}) == len(found)
    assert points.from_dicts(json.loads(json.dumps(points.as_dicts(found)))) == found


def test_the_sample_has_the_borders_and_is_the_same_for_a_seed() -> None:
    found = cells()
    drawn = points.sample(found, 7, 2)
    assert drawn == points.sample(found, 7, 2)
    borders = [item for item in drawn if item.border]
    assert [item.point.task for item in borders] == [4, 9]
    assert len(drawn) == 4


def test_shards_share_the_cells_out() -> None:
    found = cells()
    both = points.shard(found, "1/2") + points.shard(found, "2/2")
    assert sorted(item.name for item in both) == sorted(item.name for item in found)
    for wrong in ("0/2", "3/2", "x", "1"):
        with pytest.raises(ValueError, match="expected i/n"):
            points.shard(found, wrong)


END = {
    "state": "migrated",
    "compose": "abc",
    "migrations": ["a.1"],
    "schedules": {"tick": {"repeats": -1}, "parked": {"repeats": 0}},
    "files": ["current", "runs"],
}


def test_an_end_that_is_another_is_told() -> None:
    assert facts.differences(END, END) == []
    found = facts.differences({**END, "files": ["current", "lock", "runs"]}, END)
    assert found == ["files: more: ['lock'], missing: []"]
    parked = {**END, "schedules": {"tick": {"repeats": 0}, "parked": {"repeats": 0}}}
    assert "tick" in facts.differences(parked, END)[0]


def test_the_way_back_keeps_the_database() -> None:
    expected = {**END, "state": "rolled_back"}
    found = {**expected, "migrations": [], "schedules": {"tick": {"repeats": -1}}}
    assert facts.differences(found, expected) == []
    assert facts.differences({**found, "schedules": {}}, expected)


def test_images_are_compared_by_the_names_that_lead_to_one() -> None:
    one, other = "20261125T130601Z-d2c1", "20261125T140000Z-aaaa"
    listed = f"redis:7 r\nkept/app:{one}-after a\nkept/app:{other}-after b\napp:local b\n"
    assert facts.names(listed, other) == {"r": "redis:7", "b": "app:local = kept/app:<run>-after"}
    assert set(facts.names(listed, "")) == {"r", "a", "b"}


def test_ci_counts_each_cell_of_the_sample_as_a_test() -> None:
    line = "10 of 10 cells run, as many kills, 0 broken; 900 tasks accepted, 0 lost"
    assert checks.crash_counts(0, f"[1 s] x\n{line}\n")[:2] == (10, 0)
    assert checks.crash_counts(1, line.replace("0 broken", "2 broken"))[:2] == (8, 2)
    assert checks.crash_counts(1, line.replace("10 of", "8 of"))[:2] == (8, 2)
    assert checks.crash_counts(1, line)[:2] == (10, 1)
    assert checks.crash_counts(0, "")[:2] == (0, 1)


def test_the_table_names_what_is_broken_and_what_was_not_run() -> None:
    found = cells()
    tasks = {"accepted": 5, "lost": 1, "doubled": 0, "early": 0, "ticks": 1}
    result = {"broken": ["1 lost"], "seconds": 60.0, "end": "migrated", "tasks": tasks}
    text = table.text(found, {found[2].name: result})
    assert "BROKEN" in text
    assert "not run" in text
    assert f"{found[2].name}: 1 lost" in text
    assert f"1 of {len(found)} cells run" in text
    assert table.markdown(found, {}).count("not run") == len(found)
