"""Whether a command passes SIGTERM on to the cluster, and the health check by it."""

from __future__ import annotations

import os
import socket
import sys
import types
from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.compose_command import (
    judge,
    launcher_doubts,
    without_name,
    words_of,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_healthcheck import (
    SCRIPT,
    healthcheck,
    works,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import parse

PLAIN = ["python", "manage.py", "qcluster"]


@pytest.mark.parametrize(
    "words",
    [
        PLAIN,
        ["/entrypoint.sh", *PLAIN],
        ["sh", "-c", "exec python manage.py qcluster"],
        ["bash", "-c", "python manage.py check && exec python manage.py qcluster"],
        ["dumb-init", "--single-child", "--", *PLAIN],
        ["tini", "--", *PLAIN],
    ],
)
def test_a_command_that_is_fine(words: list[str]) -> None:
    verdict = judge(words)
    assert verdict.words is None
    assert verdict.doubts == []


@pytest.mark.parametrize(
    ("words", "better"),
    [
        (["sh", "-c", "python manage.py qcluster"], PLAIN),
        (["/bin/bash", "-lc", "python manage.py qcluster"], PLAIN),
        (["bash", "-e", "-c", "python manage.py qcluster -n gis"], PLAIN),
        (
            ["sh", "-c", "sleep 3; python manage.py qcluster"],
            ["sh", "-c", "sleep 3; exec python manage.py qcluster"],
        ),
        (
            ["sh", "-c", "python manage.py check\npython manage.py qcluster\n"],
            ["sh", "-c", "python manage.py check\nexec python manage.py qcluster"],
        ),
        ([*PLAIN, "-n", "gis"], PLAIN),
        ([*PLAIN, "--name=gis", "-v", "2"], [*PLAIN, "-v", "2"]),
    ],
)
def test_a_command_that_is_put_right(words: list[str], better: list[str]) -> None:
    verdict = judge(words)
    assert verdict.words == better
    assert verdict.doubts == []


@pytest.mark.parametrize(
    ("words", "doubt"),
    [
        (["./start-qcluster.sh"], "cannot be seen"),
        (["sh", "start.sh"], "cannot be seen"),
        (["dumb-init", *PLAIN], "dumb-init"),
        (["sh", "-c", "python manage.py qcluster | tee log"], "does more"),
        (["sh", "-c", "python manage.py qcluster & celery -A p worker"], "does more"),
        (["sh", "-c", "python manage.py qcluster; echo done"], "does more"),
        (["sh", "-c", "A=b python manage.py qcluster"], "write `exec`"),
        (["sh", "-c", "$PYTHON manage.py qcluster"], "write `exec`"),
    ],
)
def test_a_command_that_is_left_to_a_person(words: list[str], doubt: str) -> None:
    verdict = judge(words)
    assert verdict.words is None
    assert [text for text in verdict.doubts if doubt in text]


def test_the_name_option_goes_in_all_its_forms() -> None:
    for option in (["-n", "gis"], ["-ngis"], ["--name", "gis"], ["--name=gis"]):
        assert without_name([*PLAIN, *option]) == PLAIN
    assert without_name(["nice", "-n", "5", *PLAIN]) == ["nice", "-n", "5", *PLAIN]


def test_words_of_lists_strings_and_unclosed_quotes() -> None:
    def words(text: str) -> list[str]:
        return words_of(parse("f", f"a: {text}\n")[0].entries[0].value)

    assert words("[a, 'b c']") == ["a", "b c"]
    assert words("a 'b c'") == ["a", "b c"]
    assert words('"a \'b"') == ["a", "'b"]
    assert words("") == []


def test_what_the_worker_has_and_the_new_service_does_not() -> None:
    assert "poetry run" in launcher_doubts(["poetry", "run", "celery", "-A", "p"])[0]
    assert "working_dir" in launcher_doubts(["sh", "-c", "cd src && celery -A p"])[0]
    assert launcher_doubts(["celery", "-A", "p", "worker"]) == []


@pytest.mark.parametrize(
    ("text", "own", "expected"),
    [
        ("{disable: true}", True, False),
        ("{test: [NONE]}", True, False),
        ("{test: NONE}", True, False),
        ("{interval: 5s}", True, False),
        ("{test: python manage.py qinfo}", True, False),
        ("{test: [CMD, celery, inspect, ping]}", True, False),
        ("{test: [CMD, 'true']}", True, False),
        ("{test: [CMD, python, alive.py]}", True, True),
        ("{test: curl -f http://localhost/}", False, False),
        ("{test: python -m django_q_alive}", False, True),
    ],
)
def test_whether_a_health_check_works(text: str, own: bool, expected: bool) -> None:
    assert works(parse("f", text)[0], own) is expected


def test_the_health_check_runs_as_the_command_does() -> None:
    value = healthcheck(["python3.12", "src/manage.py", "qcluster"], start_interval=True)
    assert value["test"][:5] == ["CMD", "python3.12", "src/manage.py", "shell", "-c"]
    assert value["start_interval"] == "3s"
    assert value["retries"] >= 2
    assert "start_interval" not in healthcheck(PLAIN, start_interval=False)


def status(host: str, *pids: int) -> Any:
    """What Django-Q's `Stat` tells of a cluster."""
    sentinel, monitor, pusher, *workers = pids
    return types.SimpleNamespace(
        host=host, sentinel=sentinel, monitor=monitor, pusher=pusher, workers=workers
    )


def run_script(monkeypatch: pytest.MonkeyPatch, stats: list[Any]) -> int:
    """The exit status of the health check's script, run as `manage.py shell -c` runs it."""
    module = types.ModuleType("django_q.status")
    module.Stat = types.SimpleNamespace(get_all=lambda: stats)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "django_q", types.ModuleType("django_q"))
    monkeypatch.setitem(sys.modules, "django_q.status", module)
    try:
        exec(SCRIPT, {})
    except SystemExit as end:
        return int(end.code or 0)
    except OSError:
        return 1
    return 0


def test_the_script_asks_for_this_hosts_cluster_and_its_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here, alive = socket.gethostname(), os.getpid()
    gone = 2**22 - 3
    assert run_script(monkeypatch, []) == 1
    assert run_script(monkeypatch, [status("elsewhere", alive, alive, alive)]) == 1
    assert run_script(monkeypatch, [status(here, alive, alive, alive, alive)]) == 0
    assert run_script(monkeypatch, [status(here, alive, alive, alive, gone)]) == 1
    assert "$" not in SCRIPT
