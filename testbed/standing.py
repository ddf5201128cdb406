"""Whether a deployment stands as it did before, or as a migration leaves it: never in between."""

from __future__ import annotations

from typing import Any

from testbed.air_risk import BYSTANDERS, SERVICES_AFTER, SERVICES_BEFORE, AirRisk
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
    assert set(services) == SERVICES_BEFORE, sorted(services)
    for name, container in services.items():
        was = before["containers"][name]
        assert container.state == "running", (name, container)
        assert container.image_id == was["image_id"], name
        assert container.restart_policy == was["restart_policy"], (name, container)
    compose_sha256 = host.run("sha256sum", f"{PROJECT}/docker-compose.yml").split()[0]
    assert compose_sha256 == before["compose_sha256"]
    git = ("git", "-C", PROJECT)
    assert host.run(*git, "rev-parse", "HEAD") == before["git"]["head"]
    assert host.run(*git, "branch", "--show-current") == before["git"]["branch"]
    assert host.run(*git, "status", "--porcelain") == ""
    live = {name for name, repeats in app.schedules().items() if repeats != 0}
    assert live == set(before["schedules"]), sorted(live)
    assert_no_lock(host)
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["celery"]


def assert_migrated(host: Host, before: dict[str, Any], ref: str = "django-q") -> None:
    """Assert that the service is what a migration was to make of it.

    Args:
        host: The host.
        before: How it stood before the migration: see `testbed.record.take`.
        ref: The release that was asked for.

    Raises:
        AssertionError: It is not; the text says in what.
    """
    app = AirRisk(host.run)
    services = app.services()
    assert set(services) == SERVICES_AFTER, sorted(services)
    for name, container in services.items():
        assert container.state == "running", (name, container)
        assert container.restart_policy == "unless-stopped", (name, container)
        same = container.image_id == before["containers"][name]["image_id"]
        assert same == (name in BYSTANDERS), name
    assert services["web"].image_id == services["qcluster"].image_id
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
    assert [row["engine"] for row in app.run_task(seconds=0.2)] == ["django_q"]


def assert_no_lock(host: Host) -> None:
    """Assert that no run holds the deployment."""
    assert "lock" not in host.run("ls", STATE).split()
