"""The preflight's rules: facts in, findings out. Every rule has a case that it must let pass."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_judge import judge
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_rules_host import (
    needs,
    version_of,
)
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_rules_target import (
    needed_retry,
)

from tests.unit.preflight_facts import (
    GIB,
    Change,
    good_answers,
    good_facts,
    good_host,
    good_settings,
    identity,
    put,
)

HOST, CELERY = "host", "answers/celery/result"
CONFIG = "target/target/result/config"
LIMITS = f"{CELERY}/time_limits"
WEB = f"{HOST}/compose/services/web/containers"

UNSAFE = {
    "app": "reports",
    "name": "0007_drop",
    "operations": [{"text": "Remove field x from y", "expand_only": False}],
    "expand_only": False,
}

# (the change, level and id of the one finding that it makes, words that the finding holds)
CASES: list[tuple[Change, str, str, str]] = [
    (put("host/docker/compose_version", "2.3.4"), "error", "compose_too_old", "Compose 2.3.4"),
    (put("host/docker/version", "20.10.24"), "error", "docker_too_old", "20.10.24"),
    (put("host/project/writable", False), "error", "project_dir_read_only", "/srv/air_risk"),
    (
        put("settings:services/deployment_worker_services", ["celery_worke"]),
        "error",
        "service_unknown",
        "is it 'celery_worker'?",
    ),
    (put(WEB, []), "error", "service_not_running", "web"),
    (
        put("host/compose/services/celery_beat/containers/0/state", "exited"),
        "warning",
        "service_not_running",
        "celery_beat",
    ),
    (put(f"{WEB}/0/health", "unhealthy"), "warning", "container_unwell", "unhealthy"),
    (
        put("host/compose/services/db/containers/0/config_hash", "aa"),
        "warning",
        "bystander_drift",
        "--dry-run db",
    ),
    (
        put("host/git", {"checkout": False, "error": "no Git checkout"}),
        "error",
        "git_checkout",
        "no Git",
    ),
    (
        put("host/git/changes", [{"path": "/srv/air_risk/manage.py", "status": "M"}]),
        "error",
        "git_local_changes",
        "manage.py",
    ),
    (put("host/target/ref", ""), "error", "target_ref_not_set", "release_target_ref"),
    (put("host/target/error", "no such ref"), "error", "target_ref_missing", "no such ref"),
    (put("host/target/sha", "a" * 40), "warning", "target_is_checked_out", "django-q"),
    (
        put("host/target/tree/commands", ["seed"]),
        "error",
        "setup_schedules_missing",
        "management/commands/setup_schedules.py",
    ),
    (
        put("host/lock", {"run_id": "r1", "user": "ann", "host": "ctl", "pid": 7, "since": "now"}),
        "error",
        "lock_held",
        "rm /var/lib/cutover/air_risk/lock",
    ),
    (put("host/rooms/state/writable", False), "error", "state_dir_read_only", "/var/lib"),
    (put("database/data_free_bytes", 1000), "error", "no_room_for_restore_test", "1000 B"),
    (
        put(
            "database/problems",
            [
                {
                    "code": "wrong_password",
                    "message": "No.",
                    "found": "x",
                    "expected": "",
                    "fix": "y",
                }
            ],
        ),
        "error",
        "database_wrong_password",
        "No. Found: x",
    ),
    (
        put("answers/identity_celery_worker", identity(secret_key_hash="k2")),
        "error",
        "secret_key_differs",
        "web | celery_worker",
    ),
    (
        put("answers/identity_celery_worker/result/database/host", "db2"),
        "error",
        "database_differs",
        "air_risk@db2:5432/air_risk",
    ),
    (
        put("answers/identity_web", {"error": "exec failed", "result": {}}),
        "error",
        "application_not_reachable",
        "exec failed",
    ),
    (
        put("answers/celery", {"error": "Connection refused", "result": {}}),
        "error",
        "broker_not_reachable",
        "Connection refused",
    ),
    (
        put("answers/django_q", {"error": "password authentication failed", "result": {}}),
        "error",
        "database_not_reachable",
        "password authentication failed",
    ),
    (put(f"{CELERY}/broker/transport", "amqp"), "warning", "broker_transport", "RabbitMQ"),
    (put(f"{CELERY}/broker/transport", "sqs"), "error", "broker_transport", "sqs"),
    (put(f"{CELERY}/active", None), "warning", "no_worker_answered", "two seconds"),
    (put("settings:clusters", {"default": ""}), "error", "queue_without_cluster", "'gis'"),
    (
        put("settings:clusters", {"default": "", "gis": "gis"}),
        "error",
        "cluster_not_served",
        "'gis'",
    ),
    (
        put("trial", [{"id": "release_not_built", "found": "exit 1", "expected": "", "fix": ""}]),
        "error",
        "release_not_built",
        "exit 1",
    ),
    (
        put("target/target", {"error": "ImportError", "result": {}}),
        "error",
        "target_does_not_start",
        "ImportError",
    ),
    (put(f"{CONFIG}/retry", 1000), "error", "q_cluster_retry", "1203 s"),
    (put(f"{CONFIG}/timeout", None), "warning", "q_cluster_no_timeout", "no timeout"),
    (put(f"{LIMITS}/task_time_limit", 3600), "error", "q_cluster_timeout", "3600 s"),
    (put(f"{LIMITS}/tasks", {"app.long": 601}), "error", "q_cluster_timeout", "app.long"),
    (put(f"{CONFIG}/name", "other"), "error", "q_cluster_name_changed", "'other'"),
    (
        put("target/target_identity", identity(secret_key_hash="k2")),
        "error",
        "secret_key_changed",
        "SECRET_KEY",
    ),
    (put(f"{CONFIG}/sync", True), "error", "q_cluster_sync", "sync"),
    (put(f"{CONFIG}/orm", None), "error", "q_cluster_orm", "orm"),
    (
        put(f"{CONFIG}/cache_backend", "django.core.cache.backends.locmem.LocMemCache"),
        "warning",
        "q_cluster_cache",
        "LocMem",
    ),
    (
        put("target/target/result/migrations", [UNSAFE]),
        "error",
        "migration_not_expand_only",
        "reports.0007_drop",
    ),
    (
        put("target/target/result/celery_installed", True),
        "warning",
        "celery_still_installed",
        "Celery",
    ),
    (
        put(
            "target/target/result/outcome",
            [{"entry": "x", "action": "dropped", "text": "no meaning"}],
        ),
        "note",
        "schedule_dropped",
        "no meaning",
    ),
    (
        put(
            "target/target/result/problems",
            [
                {
                    "id": "schedule_function",
                    "level": "error",
                    "found": "f",
                    "expected": "e",
                    "fix": "d",
                }
            ],
        ),
        "error",
        "schedule_function",
        "f",
    ),
]


def verdict(*changes: Change) -> dict[str, Any]:
    """What the rules say of good facts after some changes."""
    facts, settings = good_facts(), good_settings()
    for change in changes:
        change(facts, settings)
    return judge(copy.deepcopy(facts), settings)


def test_a_good_deployment_has_no_finding() -> None:
    result = verdict()
    assert result["findings"] == []
    assert result["unchecked"] == []
    assert not result["blocked"]


@pytest.mark.parametrize(
    ("change", "level", "identifier", "words"), CASES, ids=[case[2] for case in CASES]
)
def test_one_thing_wrong_is_one_finding(
    change: Change, level: str, identifier: str, words: str
) -> None:
    (found,) = verdict(change)["findings"]
    assert (found["level"], found["id"]) == (level, identifier)
    assert words in " ".join([found["found"], found["expected"], found["fix"]])


@pytest.mark.parametrize(
    "case", [case for case in CASES if case[1] != "note" and case[2] != "release_not_built"]
)
def test_errors_and_warnings_say_found_expected_and_fix(case: tuple[Change, str, str, str]) -> None:
    for found in verdict(case[0])["findings"]:
        assert found["found"]
        assert found["expected"]
        assert found["fix"]


def test_several_things_wrong_are_several_findings_errors_first() -> None:
    chosen = [case for case in CASES if case[2] in ("broker_transport", "lock_held", "no_room")]
    chosen += [case for case in CASES if case[2] in ("q_cluster_retry", "git_local_changes")]
    found = verdict(*(case[0] for case in chosen))["findings"]
    assert {case[2] for case in chosen} == {item["id"] for item in found}
    levels = [item["level"] for item in found]
    assert levels == sorted(levels, key=["error", "warning", "note"].index)


def test_mounted_code_needs_a_broker_that_can_be_moved_from() -> None:
    mounted, rabbitmq = put("code_mounted", True), put(f"{CELERY}/broker/transport", "amqp")
    assert not verdict(mounted)["findings"]
    assert not verdict(rabbitmq)["blocked"]
    assert "code_mounted_with_rabbitmq" in {i["id"] for i in verdict(mounted, rabbitmq)["findings"]}


def bare_host(change: Change) -> dict[str, Any]:
    """What is judged when only the host was looked at."""
    facts, settings = {"host": good_host()}, good_settings()
    change(facts, settings)
    return judge(facts, settings)


@pytest.mark.parametrize(
    ("change", "identifier"),
    [
        (put("host/docker", {**good_host()["docker"], "installed": False}), "docker_missing"),
        (put("host/docker", {**good_host()["docker"], "running": False}), "docker_not_running"),
        (put("host/docker/compose_version", ""), "compose_missing"),
        (put("host/project/exists", False), "project_dir_missing"),
        (put("host/compose/files/0/exists", False), "compose_file_missing"),
        (put("host/compose/error", "yaml: line 3"), "compose_invalid"),
    ],
)
def test_what_makes_the_containers_unreachable(change: Change, identifier: str) -> None:
    result = bare_host(change)
    assert identifier in {item["id"] for item in result["findings"]}
    assert result["blocked"]
    assert not result["usable"]
    assert any("application" in item["what"] for item in result["unchecked"])
    assert any("target's image" in item["what"] for item in result["unchecked"])


def test_a_migrated_deployment_says_so_and_nothing_else() -> None:
    result = bare_host(put("host/current", {"run_id": "r", "state": "migrated", "edited": []}))
    assert [item["id"] for item in result["findings"]] == ["already_migrated"]


def test_the_lock_of_ones_own_run_is_no_finding() -> None:
    held = put("host/lock", {"run_id": "mine"})
    assert not verdict(held, put("settings:run_id", "mine"))["blocked"]
    assert verdict(held, put("settings:run_id", "other"))["blocked"]


def test_a_compose_file_that_a_run_edited_is_no_local_change() -> None:
    changed = put("host/git/changes", [{"path": "/srv/air_risk/docker-compose.yml", "status": "M"}])
    assert verdict(changed)["blocked"]
    assert not verdict(changed, put("host/current/edited", ["aa"]))["blocked"]


def test_a_ref_that_is_not_here_yet_is_asked_in_its_image() -> None:
    result = verdict(put("host/target/tree", None))
    assert result["findings"] == []
    assert [item["what"] for item in result["unchecked"]] == [
        "the management commands in the ref's tree"
    ]


def test_check_mode_says_what_it_could_not_check() -> None:
    result = verdict(put("settings:check_mode", True), put("target", None))
    (item,) = result["unchecked"]
    assert "Q_CLUSTER" in item["what"]
    assert "check mode" in item["because"]
    assert not result["blocked"]


def test_what_the_linter_found_is_judged_with_the_rest() -> None:
    error = {"id": "lint[x]", "level": "error", "found": "f", "expected": "e", "fix": "d"}
    result = verdict(put("lint", {"findings": [error], "unchecked": []}))
    assert result["findings"] == [error]
    assert result["blocked"]


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ([put("settings:lint", False)], "preflight_lint is false"),
        ([], "an error above has to be mended first"),
    ],
)
def test_code_that_was_not_linted_is_listed_as_not_checked(
    changes: list[Change], because: str
) -> None:
    (item,) = verdict(put("lint", None), *changes)["unchecked"]
    assert item == {
        "what": "the target's code: what a conversion left behind",
        "because": because,
    }


def test_without_a_target_the_entries_of_beat_are_judged_as_they_are() -> None:
    entry = {**good_answers()["celery"]["result"]["beat"]["entries"][0], "problem": "every 7 s"}
    wrong = put(f"{CELERY}/beat/entries", [entry])
    asked = verdict(wrong)
    assert asked["findings"] == []  # the target's own check names it
    unasked = verdict(wrong, put("target", None))
    assert [item["id"] for item in unasked["findings"]] == ["schedule_not_expressible"]
    assert not verdict(wrong, put("target", None), put("settings:accepted", ["hourly"]))["blocked"]


def test_what_only_the_restore_test_needs_is_no_error_without_one() -> None:
    problem = {
        "code": "may_not_create_database",
        "message": "No.",
        "found": "",
        "expected": "",
        "fix": "GRANT",
    }
    wrong = put("database/problems", [problem])
    tight = put("database/data_free_bytes", 1)
    assert (
        len([item for item in verdict(wrong, tight)["findings"] if item["level"] == "error"]) == 2
    )
    without = verdict(wrong, tight, put("settings:verify", False))["findings"]
    assert [item["level"] for item in without] == ["warning"]


def test_what_does_not_run_is_listed_as_not_checked() -> None:
    facts, settings = good_facts(), good_settings()
    del facts["answers"]["celery"]
    facts["database"] = None
    said = [item["what"] for item in judge(facts, settings)["unchecked"]]
    assert "Celery's queues and beat's schedule" in said
    assert "whether the database can be dumped" in said


def test_an_unsafe_migration_can_be_accepted() -> None:
    result = verdict(
        put("target/target/result/migrations", [UNSAFE]),
        put("settings:allow_unsafe_migrations", True),
    )
    assert [item["level"] for item in result["findings"]] == ["warning"]


def test_a_cluster_of_its_own_is_judged_by_its_own_settings() -> None:
    both = put(
        "settings:qclusters",
        [{"name": "qcluster", "cluster": ""}, {"name": "qcluster_gis", "cluster": "gis"}],
    )
    assert [item["id"] for item in verdict(both)["findings"]] == ["alt_cluster_missing"]
    fits = put(f"{CONFIG}/alt_clusters", {"gis": {"timeout": 900, "retry": 3000}})
    assert verdict(both, fits)["findings"] == []
    short = put(f"{CONFIG}/alt_clusters", {"gis": {"timeout": 900, "retry": 1500}})
    (found,) = verdict(both, short)["findings"]
    assert found["id"] == "q_cluster_retry"
    assert "ALT_CLUSTERS['gis']" in found["found"]


def test_room_is_added_up_by_file_system() -> None:
    facts, settings = good_facts(), good_settings()
    wanted = needs(facts["host"], facts["database"], settings)
    by_room = {"state": 0, "docker": 0}
    for item in wanted:
        by_room[item["room"]] += item["bytes"]
    # 1 GiB of database and 1 GiB of image: dump and two archives; a new image and a scratch copy.
    assert by_room == {"state": 3 * GIB, "docker": 2 * GIB + int(1.1 * GIB)}
    enough = sum(by_room.values())
    for device, free, blocked in [
        (1, enough, False),
        (1, enough - 1, True),
        (2, by_room["state"], False),
    ]:
        result = verdict(
            put("host/rooms/state", {**facts["host"]["rooms"]["state"], "free": free}),
            put("host/rooms/docker/device", device),
            put("host/rooms/docker/free", free if device == 1 else by_room["docker"]),
        )
        assert result["blocked"] is blocked
        assert {item["id"] for item in result["findings"]} == ({"no_room"} if blocked else set())


def test_images_of_bystanders_need_no_room() -> None:
    host = good_host()
    host["images"]["sha256:geoserver"] = 900 * GIB
    host["compose"]["services"]["geoserver"]["containers"][0]["image_id"] = "sha256:geoserver"
    assert max(item["bytes"] for item in needs(host, None, good_settings())) == 2 * GIB


@pytest.mark.parametrize(
    ("text", "expected"),
    [("26.1.5+dfsg1", (26, 1, 5)), ("2.20", (2, 20)), ("v2", ()), ("", ())],
)
def test_versions(text: str, expected: tuple[int, ...]) -> None:
    assert version_of(text) == expected


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"timeout": 60, "workers": 2, "queue_limit": 1}, 123),
        ({"timeout": 60, "workers": 2, "queue_limit": 16}, 603),
        ({"timeout": 60, "workers": 4}, 363),  # Django-Q's own queue_limit: workers squared
        ({"timeout": None, "workers": 4}, None),
    ],
)
def test_the_formula_for_retry(config: dict[str, Any], expected: float | None) -> None:
    assert needed_retry(config) == expected
