# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What the target release must be like. Facts are those of the script `target_check`."""

from __future__ import annotations

import math
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.preflight_findings import (
    Judgement,
    listed,
)

# Caches that one process does not share with another.
PRIVATE_CACHES = ("LocMemCache", "DummyCache")


def needed_retry(config: dict[str, Any]) -> float | None:
    """Seconds that `retry` must exceed, lest a task runs twice; None without a timeout.

    The last of the tasks that a cluster holds in memory starts after all before it have had their
    time: `(ceil((queue_limit + 1) / workers) + 1) * timeout + 3` (measured, see docs).
    """
    timeout = config.get("timeout")
    if not timeout:
        return None
    workers = int(config.get("workers") or 1)
    held = int(config.get("queue_limit") or workers**2)
    return (math.ceil((held + 1) / workers) + 1) * float(timeout) + 3


def judge_cluster(
    found: Judgement, label: str, config: dict[str, Any], longest: tuple[str, float] | None
) -> None:
    """One cluster's timeout and retry.

    Args:
        label: how the cluster is called in a finding.
        config: Django-Q's settings with the cluster's own over them.
        longest: (name, seconds) of the task that Celery lets run longest; None without a limit.
    """
    timeout, retry = config.get("timeout"), config.get("retry")
    needed = needed_retry(config)
    if needed is None:
        found.warning(
            "q_cluster_no_timeout",
            f"{label} has no timeout",
            "a timeout: without one a task that hangs holds its worker for ever, and retry cannot "
            "be sized",
            "Set timeout in Q_CLUSTER.",
        )
    elif not retry or float(retry) <= needed:
        found.error(
            "q_cluster_retry",
            f"{label} has retry {retry} with timeout {timeout}, queue_limit "
            f"{config.get('queue_limit')} and {config.get('workers')} workers",
            f"retry above {needed:g} s: (ceil((queue_limit + 1) / workers) + 1) * timeout + 3; "
            "below it tasks run twice",
            f"Set retry to {math.ceil(needed) + 1} or more, or queue_limit to 1.",
        )
    if timeout and longest and longest[1] > float(timeout):
        found.error(
            "q_cluster_timeout",
            f"{label} ends tasks after {timeout} s; Celery gives {longest[0]} {longest[1]:g} s",
            f"a timeout of {longest[1]:g} s or more",
            "Raise timeout (and retry with it), or give long tasks a cluster of their own.",
        )


def longest_limit(celery: dict[str, Any]) -> tuple[str, float] | None:
    """The task that Celery lets run longest, by the limits that are declared."""
    limits = celery.get("time_limits") or {}
    known = [(name, float(seconds)) for name, seconds in (limits.get("tasks") or {}).items()]
    if limits.get("task_time_limit"):
        known.append(("a task", float(limits["task_time_limit"])))
    return max(known, key=lambda item: item[1]) if known else None


def judge_config(
    found: Judgement, config: dict[str, Any], celery: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Q_CLUSTER of the target, its alternative clusters too."""
    longest = longest_limit(celery)
    judge_cluster(found, "Q_CLUSTER", config, longest)
    alternatives = config.get("alt_clusters") or {}
    for item in settings["qclusters"]:
        cluster = item["cluster"]
        if not cluster:
            continue
        if cluster not in alternatives:
            found.error(
                "alt_cluster_missing",
                f"{item['name']} is to serve the cluster {cluster!r}, which ALT_CLUSTERS of the "
                f"target does not have: {listed(sorted(alternatives)) or 'it is empty'}",
                "every cluster in Q_CLUSTER['ALT_CLUSTERS']",
                "Add it there, or correct deployment_qcluster_services.",
            )
            continue
        own = {**config, **alternatives[cluster]}
        judge_cluster(found, f"ALT_CLUSTERS[{cluster!r}]", own, longest)
    if config.get("sync"):
        found.error(
            "q_cluster_sync",
            "Q_CLUSTER has sync",
            "a queue: sync runs each task in the process that asks for it",
            "Take sync out of Q_CLUSTER.",
        )
    if not config.get("orm"):
        found.error(
            "q_cluster_orm",
            "Q_CLUSTER has no orm",
            "orm: the database is the broker",
            "Set orm to 'default' in Q_CLUSTER.",
        )
    if not config.get("ack_failures") and not config.get("max_attempts"):
        found.warning(
            "q_cluster_retries_for_ever",
            "Q_CLUSTER has neither ack_failures nor max_attempts",
            "one of them: without, a task that fails is run again for ever",
            "Set ack_failures to True, and max_attempts.",
        )
    backend = str(config.get("cache_backend") or "")
    if backend.endswith(PRIVATE_CACHES):
        found.warning(
            "q_cluster_cache",
            f"Django-Q's cache is {backend}",
            "a cache that other processes see: Redis, the database or files",
            "Set cache in Q_CLUSTER, or CACHES; no health check can see the cluster otherwise.",
        )


def judge_same_cluster(
    found: Judgement, config: dict[str, Any], before: dict[str, Any], identity: tuple[Any, Any]
) -> None:
    """The new release reads what the old one queued: the same name and SECRET_KEY.

    Args:
        before: what django_q_state returned for the release that runs now.
        identity: (hash of SECRET_KEY before, after), None where it is not known.
    """
    old = before.get("config") or {}
    if before.get("installed") and old.get("name") and old["name"] != config.get("name"):
        found.error(
            "q_cluster_name_changed",
            f"Q_CLUSTER's name is {config.get('name')!r} in the target and {old['name']!r} now",
            "the same name: Django-Q deletes or strands what was queued under another one",
            "Keep the name.",
        )
    known = [value for value in identity if value]
    if len(known) == 2 and known[0] != known[1]:
        found.error(
            "secret_key_changed",
            "SECRET_KEY is another one in the target's image",
            "the same SECRET_KEY: Django-Q deletes what was signed with another one",
            "Take SECRET_KEY from the environment, the same for both releases.",
        )


def judge_migrations(found: Judgement, migrations: list[dict[str, Any]], allowed: bool) -> None:
    """Every pending migration is expand-only."""
    for migration in migrations:
        unsafe = [item["text"] for item in migration["operations"] if not item["expand_only"]]
        if not unsafe:
            continue
        report = found.warning if allowed else found.error
        report(
            "migration_not_expand_only",
            f"{migration['app']}.{migration['name']}: {listed(unsafe)}",
            "migrations that the release that still serves can live with, and so can the way back",
            "Split it into two releases, or accept it with "
            "django_manage_allow_unsafe_migrations: true.",
        )


def judge_outcome(found: Judgement, outcome: list[dict[str, Any]]) -> None:
    """What becomes of beat's entries, where it is not simply the same."""
    for item in outcome:
        if item["action"] in ("dropped", "accepted"):
            found.note(
                f"schedule_{item['action']}",
                f"the entry {item['entry']!r} of beat is not taken over: {item['text']}",
            )
        elif item["action"] == "changed":
            found.warning(
                "schedule_changed",
                f"the entry {item['entry']!r}: {item['text']}",
                "setup_schedules and beat agree; the database is taken for the truth",
                "Correct setup_schedules in the release, or the entry.",
            )


def judge_target(
    found: Judgement,
    answers: dict[str, dict[str, Any]],
    before: dict[str, dict[str, Any]],
    settings: dict[str, Any],
) -> None:
    """All rules about the target's image.

    Args:
        answers: of the questions `target` and `target_identity`.
        before: answers of the release that runs now.
    """
    answer = answers["target"]
    if answer["error"]:
        found.error(
            "target_does_not_start",
            answer["error"],
            "the target's image, with its settings, starts and reaches the database",
            "Mend the release.",
        )
        return
    check = answer["result"]
    found.take(check["problems"])
    celery = (before.get("celery") or {}).get("result") or {}
    if check["django_q"]:
        judge_config(found, check["config"], celery, settings)
        web = (before.get(f"identity_{settings['web_service']}") or {}).get("result") or {}
        after = (answers.get("target_identity") or {}).get("result") or {}
        judge_same_cluster(
            found,
            check["config"],
            (before.get("django_q") or {}).get("result") or {},
            (web.get("secret_key_hash"), after.get("secret_key_hash")),
        )
    judge_migrations(found, check["migrations"], settings["allow_unsafe_migrations"])
    judge_outcome(found, check["outcome"])
    if check["celery_installed"]:
        found.warning(
            "celery_still_installed",
            "Celery is still installed in the target's image",
            "no Celery: an import of it goes unnoticed until somebody removes it",
            "Take celery out of the requirements.",
        )
