"""What becomes of a probe, told from its queue row and its record."""

from __future__ import annotations

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.app import probe
from ansible_collections.cutover.django_q.plugins.module_utils.verify_findings import PROBE_FIX

GOOD = {"success": True, "error": ""}
BAD = {"success": False, "error": "ValueError"}


@pytest.mark.parametrize(
    ("in_queue", "record", "outcome"),
    [
        ("due", None, None),
        ("taken", None, None),
        ("gone", GOOD, "success"),
        # The record is written before the row is deleted.
        ("taken", GOOD, "success"),
        ("gone", BAD, "failure"),
        ("taken", BAD, "failure"),
        # The row is read before the record: gone without a record means that none was kept.
        ("gone", None, "gone"),
        # A broker other than the database cannot tell: only a record counts.
        (None, None, None),
        (None, GOOD, "success"),
    ],
)
def test_outcome(in_queue: str | None, record: dict | None, outcome: str | None) -> None:
    assert probe.outcome_of(in_queue, record) == outcome


@pytest.mark.parametrize(
    ("in_queue", "waited", "others", "outcome"),
    [
        ("due", probe.PATIENCE, 1, "busy"),
        # It has waited too short, nothing else was run, or it is being run itself.
        ("due", probe.PATIENCE - 1, 1, None),
        ("due", probe.PATIENCE + 100, 0, None),
        ("taken", probe.PATIENCE, 5, None),
    ],
)
def test_a_probe_behind_others_that_are_run(
    in_queue: str, waited: float, others: int, outcome: str | None
) -> None:
    assert probe.outcome_of(in_queue, None, waited, others) == outcome


def test_a_late_probe_is_called_after_its_row() -> None:
    assert probe.late_outcome("taken") == "running"
    assert probe.late_outcome("due") == "timeout"
    assert probe.late_outcome(None) == "timeout"


def test_every_outcome_but_the_good_ones_has_a_remedy() -> None:
    assert set(probe.OUTCOMES) - set(probe.GOOD) == set(PROBE_FIX)


def test_known_clusters() -> None:
    conf = {"name": "air_risk", "ALT_CLUSTERS": {"gis": {"workers": 2}}}
    assert probe.known_clusters(conf, "air_risk") == {"air_risk", "gis"}
    assert probe.known_clusters({}, "default") == {"default"}


def test_of_a_long_error_the_end_is_kept() -> None:
    text = probe.shortened("Traceback\n" + "x" * 1000 + "\nValueError: no")
    assert text.startswith("… ")
    assert text.endswith("ValueError: no")
    assert probe.shortened(None) == ""


def test_it_says_that_it_changes_data() -> None:
    assert probe.READS_ONLY is False
