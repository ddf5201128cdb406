"""The lock is one run's alone: taken, taken over from a dead one, given back by its owner."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.modules import run_lock

OWNER = {"user": "ana", "host": "desk", "pid": 7, "pid_started": "boot/1"}


def wanted(token: str, **owner: object) -> dict:
    return {**OWNER, **owner, "run_id": f"run-{token}", "since": "noon", "token": token}


def test_a_lock_is_taken_once(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    assert run_lock.take(path, wanted("a"), "") == {}
    with pytest.raises(run_lock.Held) as caught:
        run_lock.take(path, wanted("b", pid=8), "")
    assert caught.value.held["token"] == "a"
    assert run_lock.read(path)["token"] == "a"


def test_a_dead_ones_lock_is_taken_over_by_one_of_many(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    run_lock.take(path, wanted("dead"), "")
    taken, refused = [], []
    together = threading.Barrier(8)

    def taker(number: int) -> None:
        together.wait()
        try:
            taken.append(run_lock.take(path, wanted(f"t{number}", pid=100 + number), "dead"))
        except run_lock.Held as error:
            refused.append(error.held["token"])

    threads = [threading.Thread(target=taker, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [item["token"] for item in taken] == ["dead"]
    assert refused == [run_lock.read(path)["token"]] * 7
    assert [item.name for item in tmp_path.iterdir()] == ["lock"]


def test_a_lock_that_was_taken_over_meanwhile_is_left_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    run_lock.take(path, wanted("new"), "")
    with pytest.raises(run_lock.Held):
        run_lock.take(path, wanted("late", pid=8), "dead")


def test_the_same_process_may_hold_it_under_the_id_of_another_run(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    run_lock.take(path, wanted("a"), "")
    assert run_lock.take(path, {**wanted("b"), "run_id": "found"}, "") == {}
    assert run_lock.read(path)["run_id"] == "found"


def test_a_lock_is_given_back_by_its_token_alone(tmp_path: Path) -> None:
    path = str(tmp_path / "lock")
    run_lock.take(path, wanted("a"), "")
    run_lock.give_back(path, "b")
    assert run_lock.read(path)["token"] == "a"
    run_lock.give_back(path, "a")
    assert run_lock.read(path) == {}
