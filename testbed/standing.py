"""Whether a deployment stands as it did before, or as a migration leaves it: never in between."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from testbed.air_risk import CELERY_SERVICES, AirRisk
from testbed.deploy import ORIGIN, PROJECT, STATE
from testbed.hosts import Host


def assert_as_before(host: Host, before: dict[str, Any]) -> None:
    """Assert that the service is what it was.

    Args:
        host: The host.
        before: How it stood: see `testbed.record.take`.

    Raises:
        AssertionError: It is not; the text says in what.
    """
    app = AirRisk(host.run)
    services = app.services()
    assert set(services) == set(before["containers"]), sorted(services)
    for name, container in services.items():
        was = before["containers"][name]
        assert container.state == "running", (name, container)
        assert container.image_id == was["image_id"], name
        assert container.restart_policy == was["restart_policy"], (name, container)
    assert compose_is_back(host, before)
    git = ("git", "-C", PROJECT)
    assert host.run(*git, "rev-parse", "HEAD") == before["git"]["head"]
    assert host.run(*git, "branch", "--show-current") == before["git"]["branch"]
    assert host.run(*git, "status", "--porcelain") == ""
    live = {name for name, repeats in app.schedules().items() if repeats != 0}
    assert live == set(before["schedules"]), sorted(live)
    assert_no_lock(host)
    assert_database_stood(app)
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["celery"]


def assert_migrated(
    host: Host, before: dict[str, Any], ref: str = "django-q", added: Collection[str] = ()
) -> None:
    """Assert that the service is what a migration was to make of it.

    Args:
        host: The host.
        before: How it stood before the migration: see `testbed.record.take`.
        ref: The release that was asked for.
        added: Services that were not there before.

    Raises:
        AssertionError: It is not; the text says in what.
    """
    app = AirRisk(host.run)
    services = app.services()
    was = before["containers"]
    assert set(services) == (set(was) - set(CELERY_SERVICES)) | set(added), sorted(services)
    ours = {name for name, item in was.items() if item["image_id"] == was["web"]["image_id"]}
    for name, container in services.items():
        assert container.state == "running", (name, container)
        assert container.restart_policy == "unless-stopped", (name, container)
        if name in ours or name in added:
            assert container.image_id == services["web"].image_id, name
        else:
            assert container.image_id == was[name]["image_id"], name
    assert services["web"].image_id != was["web"]["image_id"]
    compose = host.run("cat", f"{PROJECT}/docker-compose.yml")
    assert "celery_worker" not in compose
    head = host.run("git", "-C", PROJECT, "rev-parse", "HEAD")
    assert head == host.run("git", "-C", ORIGIN, "rev-parse", f"{ref}^{{commit}}")
    enabled = {name for name, on in app.periodic_tasks().items() if on}
    live = {name for name, repeats in app.schedules().items() if repeats != 0}
    # Celery's own clean-up of results means nothing without Celery.
    wanted = (enabled - {"celery.backend_cleanup"}) | set(before["schedules"])
    assert live == wanted, (sorted(live), sorted(wanted))
    assert_no_lock(host)
    assert_database_stood(app)
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["django_q"]


def compose_is_back(host: Host, before: dict[str, Any]) -> bool:
    """Whether the Compose file is, byte for byte, what it was."""
    compose_sha256 = host.run("sha256sum", f"{PROJECT}/docker-compose.yml").split()[0]
    return compose_sha256 == before["compose_sha256"]


def assert_no_lock(host: Host) -> None:
    """Assert that no run holds the deployment."""
    assert "lock" not in host.run("ls", STATE).split()


def assert_database_stood(app: AirRisk) -> None:
    """Assert that no process of PostgreSQL died by a signal: the server ends every session then."""
    log = app.compose("logs", "--no-log-prefix", "db")
    assert "was terminated by signal" not in log, log[-3000:]
