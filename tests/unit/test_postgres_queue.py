"""Queued tasks are named without unpickling what a database holds."""

from __future__ import annotations

import base64
import math
import pickle
import zlib
from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_queue import peek


def payload(task: Any, protocol: int = pickle.DEFAULT_PROTOCOL, *, packed: bool = False) -> str:
    """A payload as django.core.signing makes it; the signature does not matter here."""
    data = pickle.dumps(task, protocol)
    data = zlib.compress(data) if packed else data
    text = base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    return ("." if packed else "") + text + ":1vXyZ:signature"


def task(func: Any) -> dict[str, Any]:
    """A task as Django-Q's async_task builds it."""
    return {"id": "ab" * 16, "name": "four-words-of-it", "func": func, "args": ("func", "name")}


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize("packed", [False, True])
def test_a_task_by_name(protocol: int, packed: bool) -> None:
    assert peek(payload(task("app.tasks.run"), protocol, packed=packed)) == {
        "task_id": "ab" * 16,
        "name": "four-words-of-it",
        "func": "app.tasks.run",
    }


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_a_task_by_reference(protocol: int) -> None:
    assert peek(payload(task(math.floor), protocol))["func"] == "math.floor"


def test_strings_that_occur_twice_are_resolved() -> None:
    shared = "app.tasks.run"
    found = peek(payload({"id": "1", "name": shared, "func": shared, "args": (shared,)}))
    assert (found["name"], found["func"]) == (shared, shared)


@pytest.mark.parametrize("text", ["", "abc:def:g", "!!", ".abc:x", "ünicode", "gASVAAAA:x"])
def test_what_cannot_be_read_has_no_name(text: str) -> None:
    assert peek(text) == {"task_id": "", "name": "", "func": ""}


def test_nothing_is_executed(capfd: pytest.CaptureFixture[str]) -> None:
    class Loud:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return print, ("executed",)

    peek(payload({"id": "1", "name": "n", "func": Loud()}))
    assert "executed" not in capfd.readouterr().out
