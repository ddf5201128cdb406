"""Messages are in a file before they are removed from the broker, and stay in it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.modules import message_export


def message(digest: str, text: str = "{}") -> dict[str, str]:
    return {"digest": digest, "id": f"id-{digest}", "message": text}


def test_what_an_earlier_call_exported_stays() -> None:
    first, second = message("a"), message("b")
    assert message_export.together([first], [second]) == [first, second]


def test_a_repeat_adds_nothing() -> None:
    assert message_export.together([message("a")], [message("a", "other")]) == [message("a")]


def test_there_is_nothing_where_there_is_no_file(tmp_path: Path) -> None:
    assert message_export.read(str(tmp_path / "dropped.json")) == []


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[1]"])
def test_another_file_is_not_written_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dropped.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(message_export.ExportError, match="Move it away"):
        message_export.read(str(path))


def test_an_export_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "dropped.json"
    path.write_text(json.dumps([message("a")]), encoding="utf-8")
    assert message_export.read(str(path)) == [message("a")]
