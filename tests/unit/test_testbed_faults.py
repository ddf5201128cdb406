"""The table of what was made to fail has the latest outcome of each fault, and the sums."""

from __future__ import annotations

import json

from testbed import faults


def test_the_latest_outcome_of_each_fault_counts() -> None:
    one = {"date": "2026-11-24", "fault": "test_a_fault[disk_full]", "stands": "as before"}
    one |= {"accepted": 10, "lost": 1, "doubled": 0, "early": 0, "interrupted": 0}
    again = {**one, "date": "2026-11-25", "accepted": 12, "lost": 0}
    other = {**again, "fault": "test_a_blow", "stands": "migrated", "interrupted": 2}
    text = faults.markdown("\n".join(map(json.dumps, (one, again, other))))
    assert text.splitlines()[2:] == [
        "| a fault[disk full] | as before | 12 | 0 | 0 | 0 | 0 | 2026-11-25 |",
        "| a blow | migrated | 12 | 0 | 0 | 0 | 2 | 2026-11-25 |",
        "",
        "2 faults: 24 accepted, 0 lost, 0 doubled, 0 early, 2 interrupted.",
    ]
