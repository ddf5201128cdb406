"""The figures of Django-Q: what is counted, and what cannot be told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.app import metrics

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


@pytest.mark.parametrize(
    ("succeeded", "failed", "save_limit", "rate"),
    [
        (99, 1, 250, 0.99),
        (0, 3, 0, 0.0),
        (0, 0, 250, None),
        # Successes are not recorded, failures are: no rate can be told.
        (0, 3, -1, None),
    ],
)
def test_rate(succeeded: int, failed: int, save_limit: int, rate: float | None) -> None:
    assert metrics.rate(succeeded, failed, save_limit) == rate


def test_the_window_is_no_longer_than_the_records_that_were_not_pruned() -> None:
    start = NOON - minutes(60)
    assert metrics.covered_since(start, None) == start
    assert metrics.covered_since(start, NOON - minutes(5)) == NOON - minutes(5)
    assert metrics.covered_since(start, NOON - minutes(90)) == start


@pytest.mark.parametrize(
    ("step", "next_run", "since", "due"),
    [
        # Fired at 11:10, 11:20 … 12:00 (six), the next at 12:10.
        (600, NOON + minutes(10), NOON - minutes(60), 6),
        # Off the grid of the window's edges: 11:07 … 11:57.
        (600, NOON + minutes(7), NOON - minutes(60), 6),
        # Not yet due within the window.
        (3600, NOON + minutes(30), NOON - minutes(20), 0),
        # Overdue: its own moment counts, and the one that it missed after it.
        (600, NOON - minutes(15), NOON - minutes(20), 2),
        # A firing at the window's start belongs to the window before.
        (600, NOON, NOON - minutes(10), 1),
    ],
)
def test_due_times_of_a_fixed_step(
    step: float, next_run: datetime, since: datetime, due: int
) -> None:
    assert metrics.due_times(step, next_run, since, NOON) == due


@pytest.mark.parametrize(
    ("next_run", "repeats", "late"),
    [
        (NOON - minutes(2), -1, 120.0),
        (NOON - minutes(2), 3, 120.0),
        (NOON - minutes(2), 0, 0.0),
        (NOON + minutes(2), -1, 0.0),
        (None, -1, 0.0),
    ],
)
def test_overdue(next_run: datetime | None, repeats: int, late: float) -> None:
    assert metrics.overdue_seconds(next_run, repeats, NOON) == late


def test_a_moment_is_comparable_with_now_with_and_without_a_zone() -> None:
    assert metrics.moment_of("2026-03-01T12:00:00.000Z", NOON) == NOON
    naive = datetime.now()
    assert metrics.moment_of(naive.astimezone().isoformat(), naive) == naive


def test_it_only_reads() -> None:
    assert metrics.READS_ONLY is True
