# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What the role `verify` makes of what it has read: each difference a finding with its remedy.

A finding is {id, level, found, expected, fix}, as the preflight's are. Services are those of the
module `compose_info`: {name: {containers: [{id, name, state, health, started_at, …}]}}.
"""

from __future__ import annotations

from typing import Any

Finding = dict[str, str]
Services = dict[str, dict[str, Any]]

# A cluster that runs a backlog runs the probe later: see `module_utils.app.probe`.
GOOD_PROBES = ("success", "busy")

# What to do about each outcome of a probe (see `module_utils.app.probe.OUTCOMES`).
PROBE_FIX = {
    "failure": "Run the function by hand in the container of the web service, or name another one "
    "in verify_probe_task.",
    "timeout": "Look at the log of the cluster's service; a cluster with another Q_CLUSTER name, "
    "or that serves another queue, leaves rows where they are.",
    "running": "Raise verify_probe_timeout above the time that the function needs.",
    "gone": "Compare SECRET_KEY and the name in Q_CLUSTER of web and of the cluster: a row that a "
    "cluster cannot read it deletes. A busy cluster with a small save_limit prunes records, too.",
    "no_cluster": "Add it to ALT_CLUSTERS, or correct deployment_qcluster_services.",
    "not_importable": "Name a function in verify_probe_task that the application's image holds.",
    "sync": "Take sync out of Q_CLUSTER.",
    "not_queued": "Look at the database that Q_CLUSTER['orm'] names.",
}


def finding(identifier: str, found: str, expected: str, fix: str, level: str = "error") -> Finding:
    """One finding; a ``warning`` is shown, an ``error`` is a reason to go back."""
    return {
        "id": identifier,
        "level": level,
        "found": found,
        "expected": expected,
        "fix": fix,
    }


def containers_of(services: Services, name: str) -> list[dict[str, Any]]:
    """The containers of a service; [] for one that is not in the files any more."""
    return list((services.get(name) or {}).get("containers") or [])


def celery_left(
    services: Services, orphans: list[dict[str, Any]], celery: list[str]
) -> list[Finding]:
    """Containers of Celery's services that are still there, stopped ones and orphans too.

    Args:
        orphans: containers of the project whose service is in none of its files.
        celery: the services that belonged to Celery.
    """
    left = [item for name in celery for item in containers_of(services, name)]
    left += [item for item in orphans if item["service"] in celery]
    found = [
        finding(
            "celery_container",
            f"the container {item['name']} of {item['service']} is there ({item['state']})",
            "no container of Celery's services",
            f"docker rm {item['name']}, once it has stopped and what it reserved is accounted for.",
        )
        for item in left
    ]
    return found + [
        finding(
            "celery_service",
            f"the service {name} is in the Compose files",
            "no service of Celery's",
            "Install the Compose file of the run (migrate.yml again).",
        )
        for name in celery
        if name in services
    ]


def bystanders_touched(
    services: Services, before: dict[str, Any], names: list[str]
) -> list[Finding]:
    """Services that the migration had no business with and that are not as they were.

    A restart is a warning: the host may have been restarted meanwhile, and a run that goes on
    after it must not go back for that.

    Args:
        before: the manifest's `preflight.services`.
        names: the bystanders.
    """
    found = []
    for name in names:
        was = {item["id"]: item for item in (before.get(name) or {}).get("containers") or []}
        now = {item["id"]: item for item in containers_of(services, name)}
        if set(was) != set(now):
            found.append(
                finding(
                    "bystander_replaced",
                    f"{name} has the containers {short_ids(now)}",
                    f"{short_ids(was)}, as before the migration",
                    f"Look at `docker compose logs {name}` and at who recreated it.",
                )
            )
            continue
        for identifier, item in now.items():
            if item["started_at"] != was[identifier]["started_at"]:
                found.append(
                    finding(
                        "bystander_restarted",
                        f"{item['name']} was started at {item['started_at']}",
                        f"{was[identifier]['started_at']}, as before the migration",
                        f"Look at `docker compose logs {name}` and at who restarted it.",
                        level="warning",
                    )
                )
    return found


def short_ids(containers: Any) -> str:
    """Container ids as Docker shortens them, as text."""
    return ", ".join(sorted(identifier[:12] for identifier in containers)) or "none"


def unhealthy(services: Services, names: list[str]) -> list[Finding]:
    """Services without a running container, or with one that is not healthy."""
    found = []
    for name in names:
        containers = containers_of(services, name)
        if not containers:
            found.append(
                finding(
                    "service_absent",
                    f"{name} has no container",
                    "a running one",
                    f"docker compose up -d --no-build {name}",
                )
            )
        found += [
            finding(
                "service_unhealthy",
                f"{item['name']} is {item['state']}"
                + (f" and {item['health']}" if item["health"] else ""),
                "running and healthy",
                f"Look at `docker logs --tail 50 {item['name']}`.",
            )
            for item in containers
            if item["state"] != "running" or item["health"] not in (None, "", "healthy")
        ]
    return found


def restarting(first: Services, second: Services, names: list[str]) -> list[Finding]:
    """Containers that Docker restarted, or that were replaced, between two looks."""
    found = []
    for name in names:
        earlier = {item["id"]: item for item in containers_of(first, name)}
        for item in containers_of(second, name):
            was = earlier.get(item["id"])
            if was is None or item["restart_count"] > was["restart_count"]:
                since = was["restart_count"] if was else "another container"
                found.append(
                    finding(
                        "service_restarts",
                        f"{item['name']} was restarted while it was looked at "
                        f"({since}, then {item['restart_count']} restarts)",
                        "a container that stays up",
                        f"Look at `docker logs --tail 50 {item['name']}`.",
                    )
                )
    return found


def other_images(services: Services, images: list[dict[str, Any]]) -> list[Finding]:
    """Containers that do not run the release's image.

    Args:
        images: the manifest's `release.images`: [{name, services, after: {id}}].
    """
    return [
        finding(
            "image_differs",
            f"{item['name']} runs the image {item['image_id'][:19]}",
            f"{image['after']['id'][:19]}, the release's",
            f"docker compose up -d --no-deps --no-build {name}",
        )
        for image in images
        if (image.get("after") or {}).get("id")
        for name in image.get("services") or []
        for item in containers_of(services, name)
        if item["image_id"] != image["after"]["id"]
    ]


def packages_left(installed: dict[str, str]) -> list[Finding]:
    """Distributions in web's image that were to be gone.

    Args:
        installed: {name: version}, of those that were asked for.
    """
    return [
        finding(
            "package_left",
            f"{name} {version} is installed in web's image",
            "an image without it",
            "Take it out of the requirements, or out of verify_packages_absent.",
        )
        for name, version in sorted(installed.items())
    ]


def failed_probes(
    probes: list[dict[str, Any]], task: str, metrics: dict[str, Any]
) -> list[Finding]:
    """Probes that did not succeed, with what the queues and the clusters say.

    Args:
        probes: what the script `probe` returned.
        task: the function that was to run.
        metrics: what the script `metrics` returned afterwards; {} when it was not asked.
    """
    found = []
    for probe in probes:
        if probe["outcome"] in GOOD_PROBES:
            continue
        cluster = probe["cluster"] or "the default cluster"
        text = f"{task} through {cluster}: {probe['outcome']}"
        if probe["seconds"] is not None:
            text += f" after {probe['seconds']:.1f} s"
        if probe["outcome"] == "timeout":
            text += ", taken back from the queue"
        if probe["error"]:
            text += f" ({probe['error'].splitlines()[-1].strip()})"
        if metrics:
            text += f". {queue_text(metrics, probe['queue'])}. {cluster_text(metrics)}"
        found.append(
            finding(
                "probe_" + probe["outcome"],
                text,
                "a task that is queued in web's container is run and recorded as a success",
                PROBE_FIX.get(probe["outcome"], "Look at the cluster's log."),
            )
        )
    return found


def queue_text(metrics: dict[str, Any], queue: str | None) -> str:
    """A queue's length as a sentence."""
    for item in metrics.get("queues") or []:
        if item["name"] == queue:
            return (
                f"The queue {queue} has {item['due']} due rows, the oldest for "
                f"{item['oldest']:.0f} s, and {item['later']} that are taken or not yet due"
            )
    return f"The queue {queue} is empty"


def cluster_text(metrics: dict[str, Any]) -> str:
    """The clusters that report, as a sentence."""
    clusters = metrics.get("clusters") or {}
    if not clusters.get("visible"):
        return f"Clusters cannot be seen through the cache {clusters.get('cache')}"
    rows = clusters.get("rows") or []
    if not rows:
        return "No cluster reports"
    return "Clusters: " + "; ".join(
        f"{row['host']} {row['status']}, {row['workers']} workers, up {row['uptime']:.0f} s"
        for row in rows
    )


def settled(services: Services, names: list[str]) -> bool:
    """Whether no container of these services is still starting: time to judge them."""
    items = [item for name in names for item in containers_of(services, name)]
    return not any(
        item["state"] in ("created", "restarting") or item["health"] == "starting" for item in items
    )


def verify_findings(seen: dict[str, Any]) -> list[Finding]:
    """All findings, in the order in which an operator would look.

    Args:
        seen: what the role read:
            first, second: `compose_info` before and after the probes;
            web, qclusters, celery: names of services;
            manifest: the run's manifest, {} without one;
            parity: what the script `schedule_parity` returned;
            probe: what `probe` returned, {} when it was not run; task: its function;
            metrics: what `metrics` returned, {} when it was not asked;
            packages: {name: version} of those that were to be gone.
    """
    services = seen["second"]["services"]
    serving = [seen["web"], *seen["qclusters"]]
    preflight = seen["manifest"].get("preflight") or {}
    release = seen["manifest"].get("release") or {}
    return [
        *unhealthy(services, serving),
        *restarting(seen["first"]["services"], services, serving),
        *other_images(services, release.get("images") or []),
        *failed_probes(seen["probe"].get("probes") or [], seen["task"], seen["metrics"]),
        *seen["parity"]["problems"],
        *celery_left(services, seen["second"]["orphans"], seen["celery"]),
        *packages_left(seen["packages"]),
        *bystanders_touched(
            services, preflight.get("services") or {}, preflight.get("bystanders") or []
        ),
    ]
