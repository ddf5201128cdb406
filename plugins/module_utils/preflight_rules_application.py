# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What the running application and its database must be like.

Answers are those of the action `preflight_application`: {question: {result, error}}.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.preflight_findings import (
    Judgement,
    listed,
)
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_rules_drain import (
    judge_drain,
)

# The prefix of the questions that ask each container for its identity.
IDENTITY = "identity_"

# Problems of `postgres_facts` that concern the restore test of a dump alone.
ONLY_FOR_RESTORE_TEST = ("may_not_create_database", "standby")


def identities(answers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The answers about identity by service, those that failed left out."""
    return {
        name[len(IDENTITY) :]: answer["result"]
        for name, answer in answers.items()
        if name.startswith(IDENTITY) and not answer["error"]
    }


def differing(values: dict[str, Any]) -> str:
    """Which services have which value in common: `web, qcluster | celery_worker`."""
    groups: dict[str, list[str]] = {}
    for service, value in values.items():
        groups.setdefault(repr(value), []).append(service)
    return " | ".join(", ".join(sorted(group)) for group in groups.values())


def judge_identity(found: Judgement, answers: dict[str, dict[str, Any]]) -> None:
    """Every container of the application has the same SECRET_KEY and database."""
    for name, answer in answers.items():
        if name.startswith(IDENTITY) and answer["error"]:
            found.error(
                "application_not_reachable",
                answer["error"],
                f"the application's settings in the service {name[len(IDENTITY) :]}",
                "Mend the service, or set deployment_python and deployment_settings_module.",
            )
    known = identities(answers)
    if len({item["secret_key_hash"] for item in known.values()}) > 1:
        groups = differing({name: item["secret_key_hash"] for name, item in known.items()})
        found.error(
            "secret_key_differs",
            f"SECRET_KEY is not the same in all containers: {groups}",
            "one SECRET_KEY: Django-Q deletes what was signed with another one",
            "Give every service the same SECRET_KEY from the same place, never a generated one.",
        )
    if len({tuple(sorted(item["database"].items())) for item in known.values()}) > 1:
        where = {
            name: "{user}@{host}:{port}/{name}".format(**item["database"])
            for name, item in known.items()
        }
        found.error(
            "database_differs",
            "; ".join(f"{name}: {text}" for name, text in sorted(where.items())),
            "one database for all containers: it is the queue",
            "Correct the settings of the service that differs.",
        )
    engines = {item["database"]["engine"] for item in known.values()}
    if known and not all("postgresql" in engine or "postgis" in engine for engine in engines):
        found.error(
            "database_not_postgresql",
            f"the application's database engine is {listed(sorted(engines))}",
            "PostgreSQL",
            "Only PostgreSQL is supported as Django-Q's broker here.",
        )


def judge_celery(
    found: Judgement, answer: dict[str, Any], settings: dict[str, Any], target: dict[str, Any]
) -> None:
    """Broker, workers, queues and beat's schedule.

    Args:
        answer: of the script celery_state.
        target: what target_check returned, {} when it was not asked.
    """
    if answer["error"]:
        found.error(
            "broker_not_reachable",
            answer["error"],
            "Celery's application, its broker and its database answer from the worker's container",
            "Start the broker, or correct deployment_celery_app, deployment_worker_services and "
            "the application's settings.",
        )
        return
    celery = answer["result"]
    judge_drain(found, celery, settings)
    if celery["active"] is None:
        found.warning(
            "no_worker_answered",
            "no Celery worker answered to `inspect` within two seconds",
            "workers that say what they run",
            "They may be busy; look at the worker's log. What they run is waited for all the same.",
        )
    judge_queues(found, celery, settings)
    if not target:
        for entry in celery["beat"]["entries"]:
            if (
                entry["problem"]
                and entry["enabled"]
                and entry["name"] not in settings["accepted"]
                and entry["task"] != "celery.backend_cleanup"
            ):
                found.error(
                    "schedule_not_expressible",
                    f"the entry {entry['name']!r} of beat ({entry['spec']}): {entry['problem']}",
                    "a schedule that Django-Q can express",
                    "Change it, or accept its end by name in deployment_accept_schedules.",
                )


def queues_used(celery: dict[str, Any]) -> dict[str, list[str]]:
    """Every queue that holds, gets or feeds something, with who uses it."""
    used: dict[str, list[str]] = {}
    for name, state in celery["queues"].items():
        count = state["ready"] + state["unacked"]
        if count:
            used.setdefault(name, []).append(f"{count} messages")
    for task, name in sorted(celery["task_queues"].items()):
        used.setdefault(name, []).append(task)
    for entry in celery["beat"]["entries"]:
        if entry["enabled"] and entry["queue"] and entry["task"] != "celery.backend_cleanup":
            used.setdefault(entry["queue"], []).append(f"beat's {entry['name']!r}")
    for worker, names in (celery["consumed"] or {}).items():
        for name in names:
            used.setdefault(name, []).append(f"the worker {worker}")
    return used


def judge_queues(found: Judgement, celery: dict[str, Any], settings: dict[str, Any]) -> None:
    """Each queue of Celery goes to a cluster that is served.

    Args:
        settings: `clusters` is {queue: cluster}, `qclusters` [{name (service), cluster}].
    """
    served = {item["cluster"]: item["name"] for item in settings["qclusters"]}
    for queue, users in sorted(queues_used(celery).items()):
        if queue not in settings["clusters"]:
            found.error(
                "queue_without_cluster",
                f"Celery's queue {queue!r} (used by {listed(users, 3)}) has no cluster",
                "every queue among deployment_queue_clusters: "
                + listed(sorted(settings["clusters"])),
                f'Add `{queue}: ""` to deployment_queue_clusters for the default cluster, or name '
                "a cluster.",
            )
        elif settings["clusters"][queue] not in served:
            found.error(
                "cluster_not_served",
                f"the cluster {settings['clusters'][queue]!r} of Celery's queue {queue!r} has no "
                "service",
                "a service for each cluster: "
                + listed([f"{name!r} by {service}" for name, service in sorted(served.items())]),
                "Add it to deployment_qcluster_services: what nobody serves waits for ever.",
            )


def judge_django_q_before(found: Judgement, answer: dict[str, Any]) -> None:
    """Django-Q as it runs before the migration, where it does."""
    if answer["error"]:
        found.error(
            "database_not_reachable",
            answer["error"],
            "the database answers to the application's own settings, in web's container",
            "Start the database, or correct the application's settings.",
        )
        return
    state = answer["result"]
    if not state["installed"]:
        found.note("django_q_before", "Django-Q is not installed in the release that runs now")
        return
    waiting = sum(state["queued"].values())
    if state["tables"] and waiting and not state["stats"] and state["config"].get("cache"):
        found.note(
            "django_q_waiting",
            f"{waiting} tasks wait in Django-Q's queue and no cluster reports itself",
        )


def judge_database(found: Judgement, database: dict[str, Any], settings: dict[str, Any]) -> None:
    """Whether the database can be dumped and its dump be tested: the problems of postgres_facts.

    Args:
        settings: `verify` says whether dumps are tested by a restore.
    """
    for problem in database["problems"]:
        text = problem["message"]
        if problem["found"]:
            text = f"{text} Found: {problem['found']}"
        optional = problem["code"] in ONLY_FOR_RESTORE_TEST and not settings["verify"]
        report = found.warning if optional else found.error
        report(
            f"database_{problem['code']}",
            text,
            problem["expected"] or "a database that can be dumped and restored beside itself",
            problem["fix"],
        )
