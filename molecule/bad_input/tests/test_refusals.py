"""Bad input: each is refused before anything is changed, with one message that says what to do.

One deployed host serves all cases, since none of them may change it; that is asserted after each.
It is the scenario's own, made by `create` and `prepare`; BAD_INPUT_HOST names another one.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
HOST = os.environ.get("BAD_INPUT_HOST", "cutover-molecule-bad_input")
INVENTORY = Path(__file__).resolve().parents[1] / "inventory"
PROJECT = "/srv/air_risk"
HOME = "/var/lib/cutover/air_risk"
COMPOSE = f"docker compose --project-directory {PROJECT}"


def on_host(script: str, check: bool = True) -> str:
    """Run a shell script on the host and return what it prints."""
    command = ["docker", "exec", "-i", HOST, "sh", "-eu", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout.strip()


def told(questions: dict[str, str]) -> dict[str, str]:
    """What the host says to several shell commands, by their names."""
    mark = "=== "
    script = "\n".join(f"echo '{mark}{name}'\n{{ {ask}; }}" for name, ask in questions.items())
    answers = [part.partition("\n") for part in on_host(script).split(mark)[1:]]
    return {name: text.strip() for name, _line, text in answers}


def sql(query: str) -> str:
    """The command that prints the answer of the deployment's database."""
    ask = 'psql -qAtX -U "$POSTGRES_USER" -d "$POSTGRES_DB" -c "$0"'
    return f"{COMPOSE} exec -T db sh -c '{ask}' '{query}' </dev/null"


def files_and_refs() -> dict[str, str]:
    """What can be told without Docker: files, the checkout and the state folder."""
    git = f"git -C {PROJECT}"
    return told(
        {
            "files": f"cd {PROJECT}; sha256sum docker-compose.yml .env",
            "head": f"{git} rev-parse HEAD; cat {PROJECT}/.git/HEAD",
            "status": f"{git} status --porcelain",
            "refs": f"{git} for-each-ref",
            "state": f"ls -AR {HOME} 2>/dev/null | grep -v -e '^$' -e ':$' -e '^runs$' || true",
            "borrowed": "ls -d /tmp/preflight-* /tmp/cutover-* 2>/dev/null || true",
        }
    )


def engine() -> dict[str, str]:
    """What Docker and the database tell."""
    container = "{{.Id}} {{.Name}} {{.State.StartedAt}} {{.Image}} {{.RestartCount}}"
    image = "{{.Repository}}:{{.Tag}} {{.ID}}"
    return told(
        {
            "containers": "docker ps -aq --no-trunc | xargs docker inspect"
            f" -f '{container}' | sort",
            "images": f"docker images --no-trunc --format '{image}' | sort",
            "volumes": "docker volume ls -q | sort",
            "tables": sql("SELECT tablename FROM pg_tables ORDER BY 1"),
            "databases": sql("SELECT datname FROM pg_database ORDER BY 1"),
            "schedules": sql(
                "SELECT id, name, func, schedule_type, cron, minutes, repeats "
                "FROM django_q_schedule ORDER BY id"
            ),
            "migrations": sql("SELECT count(*) FROM django_migrations"),
        }
    )


@dataclass
class Case:
    """One bad input.

    Attributes:
        variables: given to the playbook with -e.
        words: what the message has to hold.
        spoil: shell that spoils the host before, and `mend` what mends it afterwards.
        docker: whether Docker runs during the case.
        playbook: the playbook that has to refuse.
    """

    variables: dict[str, Any]
    words: list[str]
    spoil: str = ""
    mend: str = ""
    docker: bool = True
    playbook: str = "migrate"
    absent: list[str] = field(default_factory=list)


LOCK = {
    "run_id": "20260101T000000Z-aaaa",
    "user": "ann",
    "host": "another-control-node",
    "pid": 4711,
    "pid_started": "x/1",
    "since": "2026-01-01T00:00:00.000Z",
    "token": "t",
}
TAKE_LOCK = f"mkdir -p {HOME}/runs && printf %s '{json.dumps(LOCK)}' > {HOME}/lock"
GIVE_LOCK = f"rm {HOME}/lock"
KEEP = f"cp -p {PROJECT}/{{0}} /tmp/kept && "
BACK = f"cp -p /tmp/kept {PROJECT}/{{0}} && rm /tmp/kept"

CASES = {
    # What is independent of each other is said in one go.
    "several_at_once": Case(
        {
            "deployment_beat_services": ["beat"],
            "deployment_queue_clusters": {"default": ""},
            "deployment_state_dir": "/var/lib/tiny",
            "deployment_worker_services": ["celery_worke"],
            "postgres_backup_user": "air_risk",
            "postgres_backup_password": "wrong-word",
            "preflight_compose_min_version": "99.0",
            "release_target_ref": "django-p",
        },
        [
            *("8 errors", "compose_too_old"),
            *("service_unknown", "'celery_worke'", "is it 'celery_worker'?", "'beat'"),
            *("target_ref_missing", "'django-p'", "django-q"),
            *("no_room", "/var/lib/tiny", "dump", "archives of the images"),
            *("database_wrong_password", "postgres_backup_password"),
            *("git_local_changes", "manage.py"),
            *("queue_without_cluster", "'gis'"),
        ],
        spoil="mkdir -p /var/lib/tiny && mount -t tmpfs -o size=16m tiny /var/lib/tiny && "
        + KEEP.format("manage.py")
        + f"echo '# mine' >> {PROJECT}/manage.py",
        mend=BACK.format("manage.py") + " && umount /var/lib/tiny && rmdir /var/lib/tiny",
        absent=["wrong-word"],
    ),
    "no_ref": Case({"release_target_ref": ""}, ["target_ref_not_set", "release_target_ref"]),
    "wrong_password_of_the_application": Case(
        {},
        ["target_does_not_start", "password authentication failed"],
        spoil=KEEP.format(".env")
        + f"sed -i 's/^POSTGRES_PASSWORD=.*/POSTGRES_PASSWORD=wrong-word/' {PROJECT}/.env",
        mend=BACK.format(".env"),
        absent=["wrong-word"],
    ),
    "compose_file_is_no_yaml": Case(
        {},
        ["compose_invalid", "yaml", "docker-compose.yml"],
        spoil=KEEP.format("docker-compose.yml")
        + f"printf 'services: [web: {{' > {PROJECT}/docker-compose.yml",
        mend=BACK.format("docker-compose.yml"),
    ),
    "compose_file_missing": Case(
        {"deployment_compose_files": ["compose.yml"]},
        ["compose_file_missing", "/srv/air_risk/compose.yml"],
    ),
    "project_dir_missing": Case(
        {"deployment_project_dir": "/srv/nothing", "deployment_project_name": "air_risk"},
        ["project_dir_missing", "/srv/nothing", "deployment_project_dir"],
    ),
    "ref_without_setup_schedules": Case(
        {"release_target_ref": "no-setup-schedules"},
        ["setup_schedules_missing", "setup_schedules.py"],
    ),
    "schedule_without_function": Case(
        {"release_target_ref": "bad-schedule"},
        ["setup_schedules_fails", "there is no function correction.tasks.retrain_every_model"],
    ),
    "target_that_calls_a_plain_function": Case(
        {"release_target_ref": "plain-call"},
        ["1 error,", "ERROR lint[plain-call]", "reports/late.py:9", "render is a plain function"],
    ),
    "target_with_celery_left": Case(
        {"release_target_ref": "celery-left"},
        ["lint[celery-import]", "ledger/old_tasks.py:3", "lint[task-decorator]"],
    ),
    "no_converter": Case(
        {"preflight_lint_executable": "/nowhere/celery2q"},
        ["lint_impossible", "no program /nowhere/celery2q", "pip install ./converter"],
        playbook="preflight",
    ),
    "another_run_holds_the_lock": Case(
        {},
        ["another-control-node", "20260101T000000Z-aaaa", f"rm {HOME}/lock"],
        spoil=TAKE_LOCK,
        mend=GIVE_LOCK,
    ),
    "another_run_holds_the_lock_alone": Case(
        {},
        ["lock_held", "another-control-node", f"rm {HOME}/lock"],
        spoil=TAKE_LOCK,
        mend=GIVE_LOCK,
        playbook="preflight",
    ),
    "argument_of_the_wrong_type": Case(
        {"postgres_backup_keep": "many", "deployment_compose_files": {"a": "dict"}},
        ["2 arguments of ", "- postgres_backup: postgres_backup_keep", "deployment_compose_files"],
    ),
    # The last one: it starts the containers anew.
    "docker_not_running": Case(
        {},
        ["docker_not_running", "the Docker daemon does not answer", "NOT CHECKED"],
        spoil="host-dockerd stop",
        mend="host-dockerd start",
        docker=False,
    ),
}


def play(name: str, variables: dict[str, Any], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook of the collection against the host."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env.update(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1")
    command = [
        str(Path(sys.executable).parent / "ansible-playbook"),
        "-i",
        str(INVENTORY),
        str(ROOT / "playbooks" / f"{name}.yml"),
        "-e",
        json.dumps({"ansible_host": HOST, **variables}),
        *arguments,
    ]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)


@contextmanager
def spoiled(case: Case) -> Iterator[None]:
    """The host with the case's input spoilt; mended afterwards whatever happens."""
    with ExitStack() as stack:
        if case.spoil:
            on_host(case.spoil)
            stack.callback(on_host, case.mend)
        yield


def last_failure(output: str) -> str:
    """The text of the last failure that Ansible shows, as one line."""
    return re.sub(r"\s+", " ", output.rpartition("fatal: [")[2])


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_and_nothing_changes(name: str) -> None:
    case = CASES[name]
    running = engine() if case.docker else {}
    with spoiled(case):
        before = files_and_refs()
        done = play(case.playbook, case.variables)
        after = files_and_refs()
    assert done.returncode == 2, done.stdout[-4000:]
    message = last_failure(done.stdout)
    for word in case.words:
        assert word in message, message
    for word in case.absent:
        assert word not in done.stdout + done.stderr
    assert re.search(r"unreachable=0 +failed=1 ", done.stdout), done.stdout[-2000:]
    assert after == before
    if case.docker:
        assert engine() == running


def test_a_good_deployment_passes_and_nothing_is_left() -> None:
    before = {**files_and_refs(), **engine()}
    done = play("preflight", {})
    assert done.returncode == 0, done.stdout[-4000:]
    assert "The migration can be made: 0 errors" in done.stdout
    assert {**files_and_refs(), **engine()} == before


def test_check_mode_says_what_it_could_not_check() -> None:
    before = {**files_and_refs(), **engine()}
    done = play("preflight", {}, "--check")
    assert done.returncode == 0, done.stdout[-4000:]
    assert "NOT CHECKED the target's image" in done.stdout
    assert {**files_and_refs(), **engine()} == before
    assert "NOTE linted" in done.stdout


def test_what_the_linter_finds_can_be_accepted_or_not_looked_for() -> None:
    before = {**files_and_refs(), **engine()}
    accept = [{"rule": rule, "path": "ledger/*"} for rule in ("celery-import", "task-decorator")]
    ref = {"release_target_ref": "celery-left"}
    done = play("preflight", {**ref, "preflight_lint_accept": accept})
    assert done.returncode == 0, done.stdout[-4000:]
    assert done.stdout.count("NOTE lint_accepted") == 2
    done = play("preflight", {**ref, "preflight_lint": False})
    assert done.returncode == 0, done.stdout[-4000:]
    assert "NOT CHECKED the target's code" in done.stdout
    assert {**files_and_refs(), **engine()} == before
