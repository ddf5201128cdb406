"""Schedules of both engines compared: what is the same, what is not, what is nobody's business."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.app import schedule_parity

NOW = datetime(2026, 3, 27, 12, 0, 30, tzinfo=UTC)  # a Friday
DROPPED = {"celery.backend_cleanup"}


def at(text: str) -> datetime:
    """A moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def crontab(name: str = "daily", zone: str = "UTC", **sets: Any) -> dict[str, Any]:
    """One of beat's entries, at 06:00 unless said otherwise."""
    full = {
        "minute": [0],
        "hour": [6],
        "day_of_month": list(range(1, 32)),
        "month_of_year": list(range(1, 13)),
        "day_of_week": list(range(7)),
    }
    return {
        "name": name,
        "task": "air_quality.tasks.run",
        "kind": "crontab",
        "spec": "0 6 * * *",
        "timezone": zone,
        "cron": "0 6 * * *",
        "minutes": None,
        "sets": {**full, **sets},
        "problem": None,
        "enabled": True,
        "next": [],
    }


def interval(minutes: int = 10, first: str = "2026-03-27T12:05:00") -> dict[str, Any]:
    """One of beat's entries, every so many minutes."""
    return {
        **crontab("often"),
        "kind": "interval",
        "cron": None,
        "sets": None,
        "minutes": minutes,
        "spec": f"every {minutes} minutes",
        "next": [at(first).isoformat()],
    }


def row(name: str, firings: list[datetime], **more: Any) -> dict[str, Any]:
    """A row of Schedule as the script reads it."""
    return {
        "id": 1,
        "name": name,
        "repeats": -1,
        "spec": "cron",
        "defect": "",
        "firings": firings,
        **dict.fromkeys(schedule_parity.DEFINED),
        **more,
    }


def grid(first: str, step: timedelta, count: int = 10) -> list[datetime]:
    return [at(first) + index * step for index in range(count)]


def compare(
    entries: list[dict[str, Any]],
    rows: list[dict[str, Any]],
    native: tuple[dict[str, Any], ...] = (),
    accepted: tuple[str, ...] = (),
) -> dict[str, Any]:
    params = {
        "entries": entries,
        "native": list(native),
        "accepted": list(accepted),
        "count": 10,
        "tolerance": 60,
    }
    return schedule_parity.compare(params, rows, NOW, DROPPED)


DAILY = grid("2026-03-28T06:00:00", timedelta(days=1))


class TestFirings:
    """Django-Q's next firings from a row."""

    step = staticmethod(lambda moment: moment + timedelta(minutes=10))

    def fire(self, next_run: str, repeats: int = -1, step: Any = step) -> list[datetime]:
        return schedule_parity.firings(at(next_run), step, repeats, NOW, 3)

    def test_from_next_run_on(self) -> None:
        assert self.fire("2026-03-27T12:05:00") == grid(
            "2026-03-27T12:05:00", timedelta(minutes=10), 3
        )

    def test_what_is_late_fires_once_and_is_not_counted(self) -> None:
        assert self.fire("2026-03-27T11:31:00") == grid(
            "2026-03-27T12:01:00", timedelta(minutes=10), 3
        )

    def test_a_parked_row_never_fires(self) -> None:
        assert self.fire("2026-03-27T12:05:00", repeats=0) == []

    def test_a_bounded_row_ends(self) -> None:
        assert len(self.fire("2026-03-27T12:05:00", repeats=2)) == 2
        assert len(self.fire("2026-03-27T11:55:00", repeats=2)) == 1

    def test_a_row_that_fires_once(self) -> None:
        assert self.fire("2026-03-27T12:05:00", step=None) == [at("2026-03-27T12:05:00")]
        assert self.fire("2026-03-27T11:05:00", step=None) == []


class TestBeatsEntries:
    """Entries of beat against rows of Django-Q."""

    def test_same(self) -> None:
        result = compare([crontab()], [row("daily", DAILY)])
        assert result["problems"] == []
        assert [item["status"] for item in result["schedules"]] == ["same"]

    def test_a_skipped_tick_is_a_difference(self) -> None:
        result = compare(
            [crontab()], [row("daily", grid("2026-03-29T06:00:00", timedelta(days=1)))]
        )
        assert "schedule 'daily'" in result["problems"][0]["found"]
        assert "2026-03-28 06:00:00Z" in result["problems"][0]["expected"]

    def test_another_time_is_a_difference(self) -> None:
        later = [moment + timedelta(hours=1) for moment in DAILY]
        assert len(compare([crontab()], [row("daily", later)])["problems"]) == 1

    def test_the_entrys_own_zone_counts_over_the_change_of_the_clock(self) -> None:
        # 06:00 in Berlin is 05:00 UTC on 28 March 2026 and 04:00 UTC from the 29th on.
        moments = [at("2026-03-28T05:00:00"), *grid("2026-03-29T04:00:00", timedelta(days=1), 9)]
        result = compare([crontab(zone="Europe/Berlin")], [row("daily", moments)])
        assert result["problems"] == []

    def test_an_accepted_difference_is_listed_and_no_problem(self) -> None:
        entry = crontab(zone="Europe/Berlin")
        result = compare([entry], [row("daily", DAILY)], accepted=("daily",))
        assert result["problems"] == []
        assert result["schedules"][0]["status"] == "accepted"
        assert "expected" in result["schedules"][0]["note"]

    def test_a_missing_row(self) -> None:
        result = compare([crontab()], [])
        assert "no row of Schedule has this name" in result["problems"][0]["found"]

    def test_a_parked_row_of_an_enabled_entry(self) -> None:
        result = compare([crontab()], [row("daily", [], repeats=0)])
        assert "parked" in result["problems"][0]["found"]

    def test_a_disabled_entry_is_parked(self) -> None:
        entry = {**crontab(), "enabled": False}
        assert compare([entry], [row("daily", [], repeats=0)])["problems"] == []
        assert "it fires" in compare([entry], [row("daily", DAILY)])["problems"][0]["found"]
        assert len(compare([entry], [])["problems"]) == 1

    def test_backend_cleanup_is_dropped(self) -> None:
        entry = {**crontab("celery.backend_cleanup"), "task": "celery.backend_cleanup"}
        result = compare([entry], [])
        assert result["problems"] == []
        assert result["schedules"][0]["status"] == "dropped"

    def test_a_name_longer_than_the_field(self) -> None:
        result = compare([crontab("n" * 150)], [row("n" * 100, DAILY)])
        assert result["problems"] == []

    def test_what_cannot_be_compared_says_so(self) -> None:
        entry = {**crontab(), "kind": "solar", "problem": "solar schedules do not exist"}
        result = compare([entry], [row("daily", DAILY)])
        assert "solar schedules do not exist" in result["problems"][0]["found"]


class TestIntervals:
    """Intervals: the step exactly, the phase within the tolerance."""

    minutes = timedelta(minutes=10)

    @pytest.mark.parametrize(
        "first",
        [
            "2026-03-27T12:05:00",
            # Beat's drift, to both sides.
            "2026-03-27T12:05:40",
            "2026-03-27T12:04:20",
        ],
    )
    def test_same(self, first: str) -> None:
        assert compare([interval()], [row("often", grid(first, self.minutes))])["problems"] == []

    def test_one_side_has_just_passed_a_moment(self) -> None:
        # Beat's grid says 12:00:31, Django-Q fired at 12:00:20 and fires again at 12:10:20.
        entry = interval(first="2026-03-27T12:00:31")
        moments = grid("2026-03-27T12:10:20", self.minutes)
        assert compare([entry], [row("often", moments)])["problems"] == []

    def test_days_later_the_grid_is_the_same(self) -> None:
        entry = interval(first="2026-03-20T08:15:00")
        assert (
            compare([entry], [row("often", grid("2026-03-27T12:05:00", self.minutes))])["problems"]
            == []
        )

    @pytest.mark.parametrize(
        ("first", "step"),
        [
            ("2026-03-27T12:08:00", 10),
            ("2026-03-27T12:05:00", 20),
            ("2026-03-27T12:25:00", 10),
        ],
    )
    def test_another_phase_step_or_a_gap(self, first: str, step: int) -> None:
        moments = grid(first, timedelta(minutes=step))
        assert len(compare([interval()], [row("often", moments)])["problems"]) == 1


BEFORE = {
    "id": 1,
    "name": "own",
    "func": "reports.tasks.clean",
    "schedule_type": "H",
    "repeats": -1,
    "cron": None,
    "minutes": None,
    "args": None,
    "kwargs": None,
    "cluster": None,
    "hook": None,
    "next_run": "2026-03-27T12:00:00+00:00",
}


class TestNativeRows:
    """Rows that were Django-Q's own before the migration."""

    def now(self, **more: Any) -> dict[str, Any]:
        return row("own", [], func="reports.tasks.clean", schedule_type="H", **more)

    def test_as_it_was(self) -> None:
        result = compare([], [self.now()], native=(BEFORE,))
        assert result["problems"] == []
        assert result["schedules"][0]["status"] == "native, as it was"

    def test_empty_text_and_none_are_the_same(self) -> None:
        assert compare([], [self.now(args="", kwargs="")], native=(BEFORE,))["problems"] == []

    def test_gone(self) -> None:
        assert "is gone" in compare([], [], native=(BEFORE,))["problems"][0]["found"]

    def test_changed(self) -> None:
        found = compare([], [self.now(cluster="gis")], native=(BEFORE,))["problems"]
        assert "cluster='gis'" in found[0]["found"]

    def test_parked_by_mistake(self) -> None:
        found = compare([], [self.now(repeats=0)], native=(BEFORE,))["problems"]
        assert "repeats=0" in found[0]["found"]

    def test_repeats_are_used_up(self) -> None:
        before = {**BEFORE, "repeats": 5}
        assert compare([], [self.now(repeats=3)], native=(before,))["problems"] == []
        assert len(compare([], [self.now(repeats=-1)], native=(before,))["problems"]) == 1

    def test_a_row_that_fires_once_is_gone_after_it_has(self) -> None:
        once = {**BEFORE, "schedule_type": "O"}
        assert compare([], [], native=(once,))["problems"] == []
        later = {**once, "next_run": "2026-03-27T13:00:00+00:00"}
        assert len(compare([], [], native=(later,))["problems"]) == 1

    def test_a_native_row_that_beat_had_too_is_compared_as_beats(self) -> None:
        before = {**BEFORE, "name": "daily", "repeats": -1}
        result = compare([crontab()], [row("daily", DAILY)], native=(before,))
        assert [item["status"] for item in result["schedules"]] == ["same"]


def test_a_row_that_stops_the_scheduler_is_a_problem_whoever_made_it() -> None:
    result = compare([], [row("new", [], defect="its arguments are no literals: f()")])
    assert result["schedules"][0]["status"] == "new"
    assert "no literals" in result["problems"][0]["found"]
    parked = compare([], [row("new", [], defect="its function x does not exist", repeats=0)])
    assert parked["problems"] == []


def test_an_interval_counts_from_beats_last_firing_where_that_is_known() -> None:
    rows = [row("often", grid("2026-03-27T12:08:50", timedelta(minutes=10)), spec="every 10 min")]
    documented = interval(first="2026-03-27T11:32:28")
    assert compare([documented], rows)["problems"]
    last = at("2026-03-27T11:58:50")
    counted = schedule_parity.counted_from(documented, last)
    assert compare([counted], rows)["problems"] == []
    assert schedule_parity.counted_from(documented, None) == documented
    assert schedule_parity.counted_from(crontab(), last) == crontab()
