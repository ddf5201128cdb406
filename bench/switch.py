"""Seconds without web, there and back, beside a bare recreation of web in the same run.

Each round migrates with `release_measure_bare` and rolls back, on one host.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from testbed import deploy, engine, hosts, playbooks, venv
from testbed.air_risk import AirRisk
from testbed.console import TestbedError, say

HOST = "cutover-bench-switch"
INVENTORY = Path(__file__).resolve().parent / "inventory"


def main() -> None:
    """Measure and print one JSON document a round, and the medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.switch", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", action="store_true", help="keep the host")
    options = parser.parse_args()
    venv.ensure()
    engine.ensure()
    host = deploy.deploy(HOST, "celery", fresh=True)
    try:
        app = AirRisk(host.run)
        rounds = []
        for _ in range(options.rounds):
            rounds.append(_round(app))
            print(json.dumps(rounds[-1]), flush=True)
        keys = ("web", "bare", "ratio", "web_back", "worker", "worker_back", "switch", "rollback")
        medians = {key: round(statistics.median(item[key] for item in rounds), 2) for key in keys}
        print(json.dumps({"medians": medians}), flush=True)
    finally:
        if not options.keep:
            hosts.remove(HOST)


def _round(app: AirRisk) -> dict[str, Any]:
    _play("migrate", release_measure_bare=True)
    manifest = app.manifest()
    release = manifest["release"]
    seconds = {
        phase["name"]: round(playbooks.moment(phase["end"]) - playbooks.moment(phase["start"]), 1)
        for phase in manifest["phases"]
    }
    _play("rollback")
    manifest = app.manifest()
    back = manifest["phases"][-1]
    return {
        "web": release["web_gap_seconds"],
        "bare": release["web_gap_bare_seconds"],
        "ratio": round(release["web_gap_seconds"] / release["web_gap_bare_seconds"], 2),
        "web_back": manifest["celery_restore"]["web_gap_seconds"],
        "worker": manifest["celery_drain"]["worker_gap_seconds"],
        "worker_back": manifest["celery_restore"]["worker_gap_seconds"],
        "switch": sum(seconds[name] for name in ("schedules", "qcluster", "web", "celery")),
        "rollback": round(playbooks.moment(back["end"]) - playbooks.moment(back["start"]), 1),
        "phases": seconds,
    }


def _play(playbook: str, **variables: Any) -> None:
    say(f"playbooks/{playbook}.yml")
    code, text = playbooks.run(INVENTORY, playbook, cutover_bench_host=HOST, **variables)
    if code:
        raise TestbedError(f"playbooks/{playbook}.yml ended with {code}:\n{text[-3000:]}")


if __name__ == "__main__":
    main()
