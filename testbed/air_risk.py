"""The deployed sample application as its users see it: one client for the demo and the tests."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from testbed.deploy import PROJECT, STATE

URL = "http://127.0.0.1:8000"
TEST_TASK = "air_quality.tasks.test_task"
CELERY_SERVICES = ("celery_beat", "celery_worker")
BYSTANDERS = ("db", "geoserver", "redis")
SERVICES_BEFORE = frozenset({*BYSTANDERS, *CELERY_SERVICES, "qcluster", "web"})
SERVICES_AFTER = SERVICES_BEFORE - {*CELERY_SERVICES}
FINISH_SECONDS = 60.0


@dataclass(frozen=True)
class Container:
    """One container of the project.

    Attributes:
        service: Its Compose service.
        id: Its full id.
        image_id: The id of its image.
        started_at: When it was started, as Docker says it.
        state: Docker's word, such as ``running``.
        health: ``healthy``, ``starting``, ``unhealthy`` or empty without a health check.
        restarts: How often Docker restarted it.
        restart_policy: Such as ``unless-stopped``.
    """

    service: str
    id: str
    image_id: str
    started_at: str
    state: str
    health: str
    restarts: int
    restart_policy: str


class AirRisk:
    """The application in a host.

    Args:
        execute: Runs a program in the host and returns its standard output; raises where it fails.
    """

    def __init__(self, execute: Callable[..., str]) -> None:
        """Take the way into the host."""
        self._execute = execute

    def containers(self) -> list[Container]:
        """All containers of the project, stopped and one-off ones too, by service."""
        listed = self._execute(
            "docker", "ps", "--all", "--quiet", "--filter", "label=com.docker.compose.project"
        ).split()
        if not listed:
            return []
        found = json.loads(self._execute("docker", "inspect", *listed))
        return sorted(map(_container, found), key=lambda container: container.service)

    def services(self) -> dict[str, Container]:
        """Service to its one container.

        Raises:
            AssertionError: A service has more than one.
        """
        containers = self.containers()
        services = {container.service: container for container in containers}
        assert len(services) == len(containers), f"more than one of a service: {containers}"
        return services

    def compose(self, *arguments: str) -> str:
        """Output of a `docker compose` command of the project."""
        return self._execute("docker", "compose", "--project-directory", PROJECT, *arguments)

    def submit(self, task: str = TEST_TASK, **values: Any) -> str:
        """Enqueue a task over HTTP.

        Args:
            task: Dotted name.
            **values: Further keys of the body: seconds, countdown, queue, args; uid.

        Returns:
            The uid under which the ledger will know it.
        """
        uid = values.pop("uid", None) or f"testbed-{uuid.uuid4().hex[:12]}"
        body = json.dumps({"uid": uid, "task": task, **values})
        code = self._execute(
            *("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"),
            *("-H", "Content-Type: application/json", "-d", body, f"{URL}/tasks/"),
        )
        assert code == "202", f"POST /tasks/ answered {code} to {body}"
        return uid

    def executions(self, uid: str) -> list[dict[str, Any]]:
        """The ledger's rows of a uid: uid, task, engine, started_at, finished_at."""
        return json.loads(self.curl(f"{URL}/ledger/?uid={uid}"))["executions"]

    def latest_executions(self) -> list[dict[str, Any]]:
        """The ledger's latest 1,000 rows."""
        return json.loads(self.curl(f"{URL}/ledger/?limit=1000"))["executions"]

    def curl(self, *arguments: str) -> str:
        """Body of a request made in the host; a status of 400 and more is an error."""
        return self._execute("curl", "-fsS", *arguments)

    def ledger(self) -> list[dict[str, Any]]:
        """All rows of the ledger by start: uid, task, engine, started_at and finished_at.

        Times are seconds since the epoch; without an end it is None.
        """
        rows = self.sql(
            "SELECT json_build_object('uid', uid, 'task', task, 'engine', engine,"
            " 'started_at', extract(epoch FROM started_at),"
            " 'finished_at', extract(epoch FROM finished_at))"
            " FROM ledger_execution ORDER BY started_at"
        )
        return [json.loads(text) for (text,) in rows]

    def wait_for(self, uid: str, timeout: float = FINISH_SECONDS) -> list[dict[str, Any]]:
        """The ledger's rows of a uid, once one of them has ended.

        Raises:
            AssertionError: None did within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            rows = self.executions(uid)
            if any(row["finished_at"] for row in rows):
                return rows
            time.sleep(0.2)
        raise AssertionError(f"{uid} was not executed within {timeout:.0f} s: {rows}")

    def run_task(self, task: str = TEST_TASK, **values: Any) -> list[dict[str, Any]]:
        """Enqueue a task and wait for its execution; returns the ledger's rows of it."""
        return self.wait_for(self.submit(task, **values))

    def sql(self, query: str) -> list[list[str]]:
        """Rows of a query in the application's database, every value as text."""
        script = 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -XAt -F "$1" -c "$2"'
        text = self.compose("exec", "-T", "db", "sh", "-c", script, "sh", "\x1f", query)
        return [line.split("\x1f") for line in text.splitlines()]

    def python(self, service: str, code: str) -> str:
        """The last line that a piece of Python prints in a service's container, Django set up."""
        command = ("exec", "-T", service, "python", "manage.py", "shell", "--no-imports", "-c")
        return (self.compose(*command, code).splitlines() or [""])[-1]

    def memory(self) -> dict[str, float]:
        """MiB in use by service."""
        template = '{{.ID}} {{.Label "com.docker.compose.service"}}'
        names = dict(
            line.split()
            for line in self._execute("docker", "ps", "--format", template).splitlines()
        )
        stats = self._execute(
            *("docker", "stats", "--no-stream", "--format", "{{.ID}} {{.MemUsage}}", *names)
        )
        used: dict[str, float] = {}
        for line in stats.splitlines():
            container, amount = line.split()[:2]
            used[names[container]] = used.get(names[container], 0.0) + mebibytes(amount)
        return used

    def manifest(self) -> dict[str, Any]:
        """The manifest of the latest run."""
        return json.loads(self._execute("cat", f"{STATE}/current/manifest.json"))

    def periodic_tasks(self) -> dict[str, bool]:
        """Beat's rows: name to whether it is enabled."""
        rows = self.sql("SELECT name, enabled FROM django_celery_beat_periodictask")
        return {name: enabled == "t" for name, enabled in rows}

    def schedules(self) -> dict[str, int]:
        """Django-Q's schedules: name to `repeats`, where 0 is parked and -1 is for ever."""
        rows = self.sql("SELECT name, repeats FROM django_q_schedule")
        return {name: int(repeats) for name, repeats in rows}


def mebibytes(text: str) -> float:
    """MiB of an amount as Docker prints it, such as ``121.4MiB`` or ``1.2GiB``."""
    for unit, factor in (("KiB", 1 / 1024), ("MiB", 1.0), ("GiB", 1024.0), ("B", 1 / 1024**2)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    raise ValueError(f"no amount of memory: {text!r}")


def _container(found: dict[str, Any]) -> Container:
    state = found["State"]
    return Container(
        service=found["Config"]["Labels"]["com.docker.compose.service"],
        id=found["Id"],
        image_id=found["Image"],
        started_at=state["StartedAt"],
        state=state["Status"],
        health=state.get("Health", {}).get("Status", ""),
        restarts=found["RestartCount"],
        restart_policy=found["HostConfig"]["RestartPolicy"]["Name"],
    )
