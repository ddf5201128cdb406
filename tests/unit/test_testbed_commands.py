"""The commands of the testbed hand their options on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from testbed import __main__ as commands
from testbed.crash import matrix


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the crash matrix was called with; nothing is run."""
    calls: list[Any] = []

    def run(*arguments: Any, **options: Any) -> int:
        calls.append((arguments, options))
        return 3

    monkeypatch.setattr(matrix, "run", run)
    monkeypatch.setattr(matrix, "run_sample", lambda: calls.append("sample") or 4)
    return calls


def test_the_crash_matrix_gets_its_options(called: list[Any]) -> None:
    words = "crash-matrix --shard 2/3 --most 5 --beside 2 --again --only x --markdown t.md"
    assert commands.main(words.split()) == 3
    options = {"again": True, "only": "x", "most": 5, "beside": 2, "markdown": Path("t.md")}
    assert called == [(("2/3",), options)]


def test_the_sample_is_a_run_of_its_own(called: list[Any]) -> None:
    assert commands.main(["crash-matrix", "--sample"]) == 4
    assert called == ["sample"]
