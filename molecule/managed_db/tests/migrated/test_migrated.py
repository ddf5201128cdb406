"""After migrate.yml, and again after a restore over the network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testbed.air_risk import AirRisk


def test_four_services_run(app: AirRisk) -> None:
    assert set(app.services()) == {"geoserver", "qcluster", "redis", "web"}


def test_a_task_is_executed_once_by_django_q(app: AirRisk) -> None:
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["django_q"]


def test_the_dump_was_made_and_verified_over_the_network(host: Any, app: AirRisk) -> None:
    backup = app.manifest()["postgres_backup"]
    assert backup["verified"] is True
    assert host.file(backup["path"]).sha256sum == backup["sha256"]
    assert "postgres" not in {container.service for container in app.containers()}


def test_nothing_of_the_dump_is_left(host: Any, psql: Callable[[str, str], list[str]]) -> None:
    scratch = "SELECT datname FROM pg_database WHERE datname LIKE 'cutover_scratch_%'"
    assert psql("postgres", scratch) == []
    assert host.check_output("ls -d /tmp/cutover-postgres-* 2>/dev/null || true") == ""


def test_the_application_owns_its_database(psql: Callable[[str, str], list[str]]) -> None:
    owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'air_risk'"
    assert psql("postgres", owner) == ["air_risk"]
    tables = "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'"
    assert psql("air_risk", tables) == ["air_risk"]
