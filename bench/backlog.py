"""A backlog in Redis on its way to Django-Q and back: at what rate, in how much memory.

Two long tasks keep the workers busy while the backlog is sent and until the switch is done, so that
the whole of it is left to the mover. On the way back the same is done to Django-Q.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from testbed import deploy, engine, hosts, playbooks, venv
from testbed.air_risk import AirRisk
from testbed.console import TestbedError, say, wait_until

HOST = "cutover-bench-backlog"
INVENTORY = Path(__file__).resolve().parent / "inventory"
LONG_SECONDS = 110
#: Sends COUNT tasks in the release that runs; a fifth of them for SOON seconds later.
SEND = """
from tasks_api.enqueue import hand_over
from tasks_api.submission import Submission
for number in range({count}):
    hand_over(
        Submission(
            uid="{prefix}-%06d" % number,
            task="air_quality.tasks.test_task",
            countdown=3600.0 if number % 5 == 0 else 0.0,
            queue=("gis", "default")[number % 2],
        )
    )
"""
#: Lets what is delayed run now, so that the check need not wait. A row that a worker has taken is
#: locked too, for minutes: it is left alone, or it would run twice.
RIPEN = "UPDATE django_q_ormq SET lock = now() WHERE lock > now() + interval '30 minutes'"


def main() -> None:
    """Measure both ways and print one JSON document each."""
    parser = argparse.ArgumentParser(prog="python -m bench.backlog", description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--keep", action="store_true", help="keep the host")
    options = parser.parse_args()
    venv.ensure()
    engine.ensure()
    host = deploy.deploy(HOST, "celery", fresh=True)
    try:
        app = AirRisk(host.run)
        _play("prepare")
        _fill(app, "there", options.count)
        _play("migrate")
        _tell("to Django-Q", app.manifest()["celery_drain"]["moved"])
        app.sql(RIPEN)
        _check(app, "there", options.count)
        _fill(app, "back", options.count)
        _play("rollback")
        _tell("to Celery", app.manifest()["celery_restore"]["moved"])
    finally:
        if not options.keep:
            hosts.remove(HOST)


def _play(playbook: str) -> None:
    say(f"playbooks/{playbook}.yml")
    code, text = playbooks.run(INVENTORY, playbook, cutover_bench_host=HOST)
    if code:
        raise TestbedError(f"playbooks/{playbook}.yml ended with {code}:\n{text[-3000:]}")


def _fill(app: AirRisk, prefix: str, count: int) -> None:
    """Keep both workers busy, then send the backlog."""
    long = [app.submit(seconds=LONG_SECONDS, queue=queue) for queue in ("gis", "default")]
    wait_until(
        "both long tasks to run", lambda: all(app.executions(uid) for uid in long), timeout=30
    )
    began = time.monotonic()
    code = SEND.format(count=count, prefix=prefix)
    app.compose("exec", "-T", "web", "python", "manage.py", "shell", "-c", code)
    say(f"{count} tasks sent in {time.monotonic() - began:.0f} s")


def _tell(where: str, moved: dict[str, Any]) -> None:
    count = moved["moved"] + moved["delayed"]
    figures = {
        "to": where.removeprefix("to "),
        "messages": count,
        "seconds": moved["seconds"],
        "per_second": round(count / moved["seconds"], 1),
        "peak_memory_mib": round(moved["peak_memory"] / 1024**2, 1),
        "unmovable": moved.get("unmovable", 0),
    }
    print(json.dumps(figures), flush=True)


def _check(app: AirRisk, prefix: str, count: int) -> None:
    """Wait for the end of the backlog and see that each of its tasks ran once.

    Raises:
        TestbedError: One did not, or twice.
    """
    rows = f"SELECT count(*), count(DISTINCT uid) FROM ledger_execution WHERE uid LIKE '{prefix}-%'"
    wait_until(
        "the backlog to be executed",
        lambda: int(app.sql(rows)[0][1]) >= count,
        timeout=600,
        interval=1.0,
    )
    executed, distinct = map(int, app.sql(rows)[0])
    say(f"{distinct} of {count} tasks executed, {executed - distinct} of them twice")
    if executed != distinct:
        raise TestbedError(f"{executed - distinct} tasks ran twice")


if __name__ == "__main__":
    main()
