"""After `backup.yml --check`: nothing was written."""

from __future__ import annotations

from typing import Any

from testbed.deploy import STATE


def test_no_file_and_no_database_was_made(host: Any, server: Any) -> None:
    assert host.check_output(f"find {STATE} -mindepth 1 2>/dev/null || true") == ""
    assert sorted(server.databases()) == ["air_risk", "postgres"]
