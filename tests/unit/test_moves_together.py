"""Several moves of one run are one outcome."""

from __future__ import annotations

from ansible_collections.cutover.django_q.plugins.filter.moves_together import moves_together

CHAIN = {"id": "7b3c", "task": "app.tasks.work", "queue": "gis", "why": "it has a chain behind it"}


def move(**values):
    return {
        "changed": True,
        "left": {"gis": 1},
        "moved": 3,
        "expired_ids": ["e1"],
        "unmovable": [],
        "seconds": 0.5,
        "peak_memory": 10,
        **values,
    }


def test_the_first_is_taken_as_it_is_without_what_passes() -> None:
    assert moves_together({}, move()) == {
        "moved": 3,
        "expired_ids": ["e1"],
        "unmovable": [],
        "seconds": 0.5,
        "peak_memory": 10,
    }


def test_counts_and_seconds_add_up_and_a_peak_stays_the_highest() -> None:
    both = moves_together(moves_together({}, move()), move(moved=1, peak_memory=7))
    assert (both["moved"], both["seconds"], both["peak_memory"]) == (4, 1.0, 10)


def test_ids_are_kept_once() -> None:
    both = moves_together(moves_together({}, move()), move(expired_ids=["e1", "e2"]))
    assert both["expired_ids"] == ["e1", "e2"]


def test_what_cannot_be_moved_is_told_once_and_without_its_message() -> None:
    raw = {**CHAIN, "digest": "ab", "message": '{"body": "c2VjcmV0"}'}
    both = moves_together(moves_together({}, move(unmovable=[raw])), move(unmovable=[raw]))
    assert both["unmovable"] == [CHAIN]
