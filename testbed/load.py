"""Users at work: tasks that are submitted in a host all the time, and what became of them.

The producer and the checker of `tests/load` run inside the host, against its loopback address.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from testbed.air_risk import AirRisk
from testbed.console import TestbedError, run, wait_until
from testbed.deploy import PROJECT
from testbed.hosts import Host
from testbed.machine import ROOT

FOLDER = "/run/load"
SCRIPTS = ("producer.py", "checker.py")
TICK_TASK = "ledger.tasks.tick"
STOP_SECONDS = 60.0
#: Rows of the ledger as JSON, one a line, straight from the database: web may be down.
LEDGER = (
    f"docker compose --project-directory {PROJECT} exec -T db sh -c "
    """'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -XAt """
    """-c "SELECT row_to_json(e) FROM ledger_execution e"'"""
)


ADD_TICK = f"""
from django_celery_beat.models import CrontabSchedule, PeriodicTask
each_minute, _ = CrontabSchedule.objects.get_or_create(minute="*", timezone="UTC")
PeriodicTask.objects.get_or_create(
    name="tick-each-minute", defaults={{"task": "{TICK_TASK}", "crontab": each_minute}}
)
"""


class Load:
    """One producer in a host and the check of what it was promised.

    Args:
        host: The host.
        name: Prefix of its uids; a host takes each name once.
    """

    def __init__(self, host: Host, name: str) -> None:
        """Name it; nothing is sent yet."""
        self._host = host
        self.name = name
        self._accepted = f"{FOLDER}/{name}.jsonl"
        self._summary = f"{FOLDER}/{name}.summary.json"
        self._pid = f"{FOLDER}/{name}.pid"

    def start(self, **options: Any) -> None:
        """Submit from now on, in the background, until `stop` or a limit.

        Args:
            **options: Of producer.py, such as rate=5, count=1000, seconds="0:0.2",
                countdown_share=0.2, countdown="1:10", queues="gis,default". Without `for` it
                ends by itself after its longest time.
        """
        self._host.run("mkdir", "-p", FOLDER)
        for script in SCRIPTS:
            source = str(ROOT / "tests/load" / script)
            run(["docker", "cp", "--quiet", source, f"{self._host.name}:{FOLDER}/{script}"])
        given = {"for": 3600, "count": 100_000, **options}
        words = [
            word
            for key, value in given.items()
            for word in (f"--{key.replace('_', '-')}", str(value))
        ]
        shell = 'echo $$ > "$1"; shift; out=$1; shift; exec "$@" > "$out"'
        command = ["sh", "-c", shell, "sh", self._pid, self._summary]
        command += ["python3", f"{FOLDER}/producer.py", "--out", self._accepted]
        command += ["--prefix", self.name, *words]
        run(["docker", "exec", "--detach", self._host.name, *command])
        wait_until(
            f"the first submission of {self.name}",
            lambda: self._host.works("test", "-s", self._accepted),
            timeout=30,
        )

    def running(self) -> bool:
        """Whether it still submits."""
        return self._host.works("sh", "-c", f'kill -0 "$(cat {self._pid})"')

    def submissions(self) -> list[dict[str, Any]]:
        """What was sent so far: the lines of producer.py."""
        text = self._host.run("cat", self._accepted)
        return [json.loads(line) for line in text.splitlines()]

    def stop(self) -> dict[str, Any]:
        """Send no more.

        Returns:
            The producer's summary: sent, accepted, statuses, seconds, longest_gap.
        """
        if self.running():
            self._host.run("sh", "-c", f'kill -TERM "$(cat {self._pid})"', check=False)
        wait_until(
            f"the summary of {self.name}",
            lambda: self._host.works("test", "-s", self._summary),
            timeout=STOP_SECONDS,
        )
        return json.loads(self._host.run("cat", self._summary))

    def finish(self) -> dict[str, Any]:
        """Wait until it has submitted its count; returns its summary."""
        wait_until(f"the end of {self.name}", lambda: not self.running(), timeout=STOP_SECONDS)
        return self.stop()

    def each_once(self, *others: Load, **options: Any) -> dict[str, Any]:
        """Require that every accepted task ran once and in time.

        Args:
            *others: See `verdict`.
            **options: See `verdict`.

        Returns:
            What the checker says of the tasks.

        Raises:
            AssertionError: Something is lost, doubled, early, or was not ended.
        """
        verdict = self.verdict(*others, **options)
        assert verdict["broken"] == [], verdict
        print(f"\n{self.name}: {verdict['tasks']}")
        return verdict["tasks"]

    def verdict(
        self,
        *others: Load,
        wait: float = 180.0,
        interrupted_ok: bool = False,
        ticks: tuple[float, float] | None = None,
        late: float = 59.0,
    ) -> dict[str, Any]:
        """What became of the accepted tasks, once all have ended.

        Args:
            *others: Further producers whose tasks are judged with these.
            wait: Seconds that they have to end.
            interrupted_ok: An engine was killed by force: a task that was started and not ended
                is named and is no break.
            ticks: First and last tick of `TICK_TASK` to look for, seconds since the epoch.
            late: Seconds that a tick may take to run.

        Returns:
            The document of checker.py; its `broken` is empty when all ran once and in time.

        Raises:
            TestbedError: The checker could not read something.
        """
        files = [load._accepted for load in (self, *others)]
        command = ["python3", f"{FOLDER}/checker.py", *files, "--command", LEDGER]
        command += ["--wait", str(wait)]
        if interrupted_ok:
            command.append("--interrupted-ok")
        if ticks:
            first, last = (datetime.fromtimestamp(moment, UTC).isoformat() for moment in ticks)
            command += ["--tick-task", TICK_TASK, "--tick-from", first, "--tick-until", last]
            command += ["--tick-late", str(late)]
        text = self._host.run(*command, check=False, timeout=wait + 120)
        if not text.startswith("{"):
            raise TestbedError(f"the checker of {self.name} came to no verdict: {text!r}")
        return json.loads(text)


def add_tick(app: AirRisk) -> float:
    """Give beat a schedule that fires `TICK_TASK` each minute, and wait for its first tick.

    Returns:
        That tick, in seconds since the epoch.
    """
    app.compose("exec", "-T", "web", "python", "manage.py", "shell", "-c", ADD_TICK)
    wait_until("the first tick", lambda: bool(ticks_of(app)), timeout=130, interval=0.5)
    return ticks_of(app)[0] // 60 * 60


def ticks_of(app: AirRisk) -> list[float]:
    """When `TICK_TASK` was started, in seconds since the epoch."""
    return [row["started_at"] for row in app.ledger() if row["task"] == TICK_TASK]


def queued_at(
    moment: float, submissions: list[dict[str, Any]], executions: list[dict[str, Any]]
) -> int:
    """How many accepted tasks were due and not started at a moment, in seconds since the epoch."""
    started = {row["uid"]: row["started_at"] for row in executions}
    return sum(
        row["status"] == 202
        and max(row["answered_at"], row["sent_at"] + row["countdown"]) <= moment
        and started.get(row["uid"], moment) >= moment
        for row in submissions
    )


def running_at(moment: float, executions: list[dict[str, Any]], longer_than: float) -> list[str]:
    """Uids of the tasks that ran at a moment and took more than some seconds in all."""
    return [
        row["uid"]
        for row in executions
        if row["started_at"] <= moment <= (row["finished_at"] or moment)
        and (row["finished_at"] or moment) - row["started_at"] > longer_than
    ]
