"""The prober's reckoning of how long something was away."""

from __future__ import annotations

import pytest
from testbed.air_risk import mebibytes
from testbed.prober import Spans


def spans(answers: list[tuple[bool, float]]) -> Spans:
    """Spans that have seen (good, second) each, answered within 0.01 s."""
    result = Spans()
    for good, second in answers:
        result.seen(good, second, second + 0.01)
    return result


def test_nothing_away() -> None:
    assert spans([(True, 1.0), (True, 1.1)]).result(2.0) == {
        "longest": 0.0,
        "total": 0.0,
        "asked": 2,
    }


def test_away_from_the_last_good_question_to_the_next_good_answer() -> None:
    seen = spans([(True, 1.0), (False, 1.1), (False, 1.2), (True, 1.5), (False, 2.0), (True, 2.1)])
    assert seen.result(3.0) == {"longest": 0.61, "total": pytest.approx(1.12), "asked": 6}


def test_what_is_away_at_the_end_counts_up_to_now() -> None:
    assert spans([(True, 1.0), (False, 1.1)]).result(4.0)["total"] == 3.0


@pytest.mark.parametrize(
    ("text", "expected"), [("121.5MiB", 121.5), ("1.5GiB", 1536.0), ("512KiB", 0.5), ("0B", 0.0)]
)
def test_mebibytes(text: str, expected: float) -> None:
    assert mebibytes(text) == expected
