#!/usr/bin/env python3
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Holds what was accepted against the ledger of executions: nothing lost, doubled or early.

    python3 checker.py accepted.jsonl --url http://127.0.0.1:8000/ledger/ --wait 120
    python3 checker.py accepted.jsonl --command "docker compose … psql -At -c '…row_to_json…'"
    python3 checker.py accepted.jsonl --ledger rows.jsonl \
        --tick-task reports.tasks.tick --tick-from 2026-03-01T10:00Z --tick-until 2026-03-01T10:09Z

Accepted are the lines of `producer.py` with the status 202. The ledger is rows of
`ledger_execution` as JSON: a document with `executions`, a list, or one object a line. The verdict
is one JSON document on standard output; exit status 0: all ran once, 1: something is broken, 2:
wrong usage or nothing to read.

A task that was started and not ended is named apart: where its engine was killed by force it may be
lost or repeated (`--interrupted-ok`), everywhere else it is a break. Standard library only.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

# The most rows that one GET of the ledger returns.
MOST_ROWS = 10_000
POLL = 0.5
# Seconds after which a task that should have ended is believed to have been killed.
OVERDUE = 15.0


class Unreadable(Exception):
    """The accepted tasks or the ledger cannot be read; the text says why."""


def epoch(value: str | float | None) -> float | None:
    """A moment as seconds since the epoch; text is ISO 8601, without a zone it is UTC."""
    if value is None or isinstance(value, (int, float)):
        return value
    moment = datetime.fromisoformat(value.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def documents(text: str) -> list[dict[str, Any]]:
    """Objects of a JSON document with `executions`, of a JSON list, or of JSON lines.

    Raises:
        Unreadable: it is none of them.
    """
    text = text.strip()
    try:
        whole = json.loads(text) if text else []
    except ValueError:
        try:
            whole = [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError as error:
            raise Unreadable(f"neither JSON nor JSON lines: {error}") from None
    if isinstance(whole, dict):
        whole = whole.get("executions", [whole])
    if not isinstance(whole, list) or not all(isinstance(item, dict) for item in whole):
        raise Unreadable("expected a list of objects")
    return whole


def executions_of(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of the ledger with their times as seconds since the epoch, by start.

    Raises:
        Unreadable: a row has no uid or no start.
    """
    found = []
    for row in rows:
        try:
            found.append(
                {
                    "uid": row["uid"],
                    "task": row["task"],
                    "engine": row["engine"],
                    "started_at": epoch(row["started_at"]),
                    "finished_at": epoch(row["finished_at"]),
                }
            )
        except (KeyError, ValueError) as error:
            raise Unreadable(f"{row!r} is no row of ledger_execution: {error!r}") from None
    return sorted(found, key=lambda row: row["started_at"])


def by_uid(executions: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The executions of each uid."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in executions:
        found.setdefault(row["uid"], []).append(row)
    return found


def due_at(submission: dict[str, Any]) -> float:
    """Before this moment a task must not start: it was not even asked for earlier."""
    return submission["sent_at"] + submission["countdown"]


def check_tasks(
    submissions: list[dict[str, Any]], executions: list[dict[str, Any]], slack: float = 0.01
) -> dict[str, Any]:
    """What became of the submitted tasks.

    Args:
        submissions: lines of the producer, accepted or not.
        executions: of `executions_of`.
        slack: seconds by which clocks may differ.

    Returns:
        {accepted, executed, lost, doubled, early, interrupted, unpromised, engines,
        longest_wait}. A uid stands in one of lost, doubled and interrupted at most;
        unpromised were not accepted and ran all the same, which is no break.
    """
    runs = by_uid(executions)
    accepted = {item["uid"]: item for item in submissions if item["status"] == 202}
    result: dict[str, Any] = {
        "accepted": len(accepted),
        "executed": sum(uid in runs for uid in accepted),
        "lost": [uid for uid in accepted if uid not in runs],
        "doubled": [],
        "early": [],
        "interrupted": [],
        "unpromised": [
            item["uid"]
            for item in submissions
            if item["uid"] not in accepted and item["uid"] in runs
        ],
        "engines": {},
        "longest_wait": None,
    }
    for submission in submissions:
        uid = submission["uid"]
        mine = runs.get(uid, [])
        if any(row["finished_at"] is None for row in mine):
            result["interrupted"].append({"uid": uid, "executions": len(mine)})
        elif len(mine) > 1:
            result["doubled"].append(
                {"uid": uid, "executions": len(mine), "engines": [row["engine"] for row in mine]}
            )
        for row in mine:
            result["engines"][row["engine"]] = result["engines"].get(row["engine"], 0) + 1
        if not mine:
            continue
        ahead = due_at(submission) - mine[0]["started_at"]
        if ahead > slack:
            result["early"].append({"uid": uid, "seconds": round(ahead, 3)})
        if uid in accepted:
            wait = mine[0]["started_at"] - max(due_at(submission), submission["answered_at"])
            longest = result["longest_wait"]
            if longest is None or wait > longest["seconds"]:
                result["longest_wait"] = {"uid": uid, "seconds": round(max(wait, 0.0), 3)}
    return result


def check_ticks(
    executions: list[dict[str, Any]],
    task: str,
    first: float,
    last: float,
    period: float = 60.0,
    late: float = 59.0,
) -> dict[str, Any]:
    """What became of the ticks of a schedule that fires at each multiple of `period`.

    Each tick takes the first execution that is left, from the tick on and at most `late` seconds
    after it; what then is left over in the span was fired twice. With `late` below `period` an
    execution belongs to one tick only; above it, a missed tick may hide behind a doubled one.

    Args:
        task: the schedule's function, whose executions from elsewhere have other names.
        first, last: the span of ticks, both ends included, as seconds since the epoch. The tick
            before the span must have run before it, and the last one had `late` seconds to run.

    Returns:
        {ticks, executed, missed: [UTC], doubled: [UTC], runs: [[UTC, engine]], the executions
        from the first tick on}
    """
    # A beat fires when its clock says so, which may be a little before ours does.
    early = 1.0
    begin = -(-first // period) * period
    ticks = [begin + index * period for index in range(int((last - begin) // period) + 1)]
    runs = [row for row in executions if row["task"] == task and row["started_at"] >= begin - early]
    left = [row["started_at"] for row in runs]
    missed, taken = [], 0
    for tick in ticks:
        fitting = [start for start in left if tick - early <= start <= tick + late]
        if fitting:
            left.remove(fitting[0])
            taken += 1
        else:
            missed.append(tick)
    end = ticks[-1] + period - early if ticks else last
    return {
        "ticks": len(ticks),
        "executed": taken,
        "missed": [utc(tick) for tick in missed],
        "doubled": [utc(start) for start in left if start < end],
        "runs": [[utc(row["started_at"]), row["engine"]] for row in runs],
    }


def utc(moment: float) -> str:
    """A moment as ISO 8601 in UTC."""
    return datetime.fromtimestamp(moment, UTC).isoformat()


def breaks(verdict: dict[str, Any], interrupted_ok: bool) -> list[str]:
    """What is broken, in words; [] when all ran once, in time."""
    tasks, ticks = verdict["tasks"], verdict["ticks"]
    counts = {
        "lost": len(tasks["lost"]),
        "doubled": len(tasks["doubled"]),
        "early": len(tasks["early"]),
        "started and not ended": 0 if interrupted_ok else len(tasks["interrupted"]),
        "ticks missed": len(ticks["missed"]) if ticks else 0,
        "ticks doubled": len(ticks["doubled"]) if ticks else 0,
    }
    found = [f"{count} {what}" for what, count in counts.items() if count]
    if not tasks["accepted"] and not ticks:
        found.append("no task was accepted: there is nothing to check")
    return found


def settled(
    submissions: list[dict[str, Any]],
    executions: list[dict[str, Any]],
    killed_by: float | None = None,
) -> bool:
    """Whether every accepted task has ended: of the tasks nothing is left to wait for.

    Args:
        submissions: lines of the producer.
        executions: of `executions_of`.
        killed_by: where engines were killed by force, the moment to judge at. Celery acknowledges
            early: what its worker had begun and should have ended by then comes back no more.
            Django-Q runs it again, after Q_CLUSTER's `retry`.
    """
    ended = {row["uid"] for row in executions if row["finished_at"] is not None}
    begun = {row["uid"]: row["started_at"] for row in executions if row["engine"] == "celery"}
    return all(
        item["uid"] in ended
        or (
            killed_by is not None
            and item["uid"] in begun
            and begun[item["uid"]] + item["seconds"] + OVERDUE < killed_by
        )
        for item in submissions
        if item["status"] == 202
    )


def from_url(url: str) -> str:
    """The ledger over HTTP, from a loopback address.

    Raises:
        Unreadable: another address, no answer, or a ledger longer than one answer.
    """
    if urlsplit(url).hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Unreadable(f"{url}: expected a loopback address")
    try:
        with urllib.request.urlopen(f"{url}?limit={MOST_ROWS}", timeout=30) as answer:
            text = answer.read().decode("utf-8")
    except (OSError, urllib.error.URLError) as error:
        raise Unreadable(f"{url}: {error}") from None
    if len(documents(text)) >= MOST_ROWS:
        raise Unreadable(f"{url}: {MOST_ROWS} rows or more; read them with --command and psql")
    return text


def from_command(command: str) -> str:
    """The ledger from a command's standard output; no shell.

    Raises:
        Unreadable: it failed.
    """
    done = subprocess.run(
        shlex.split(command), capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise Unreadable(f"`{command}` ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return done.stdout


def from_file(path: str) -> str:
    """A file's text; `-` is standard input.

    Raises:
        Unreadable: it cannot be read.
    """
    try:
        if path == "-":
            return sys.stdin.read()
        with open(path, encoding="utf-8") as stream:
            return stream.read()
    except OSError as error:
        raise Unreadable(str(error)) from None


def read_when(
    read: Callable[[], str], done: Callable[[list[dict[str, Any]]], bool], wait: float
) -> list[dict[str, Any]]:
    """The ledger's executions, as soon as `done` says so of them, after `wait` s at most.

    Raises:
        Unreadable: it cannot be read at the last try.
    """
    deadline = time.monotonic() + wait
    while True:
        late = time.monotonic() >= deadline
        try:
            executions = executions_of(documents(read()))
            if late or done(executions):
                return executions
        except Unreadable:
            if late:
                raise
        time.sleep(POLL)


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The command line, judged."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("accepted", nargs="+", help="files of producer.py")
    ledger = parser.add_mutually_exclusive_group(required=True)
    ledger.add_argument("--url", help="of the ledger, loopback only")
    ledger.add_argument("--command", help="that prints the ledger's rows as JSON")
    ledger.add_argument("--ledger", help="file with the ledger's rows as JSON; - for stdin")
    parser.add_argument(
        "--wait", type=float, default=0.0, help="seconds for tasks and ticks to end"
    )
    parser.add_argument("--slack", type=float, default=0.01, help="seconds of clocks apart")
    parser.add_argument("--interrupted-ok", action="store_true", help="an engine was killed")
    parser.add_argument("--tick-task", help="function of a schedule")
    parser.add_argument("--tick-from", type=epoch, help="first tick, ISO 8601")
    parser.add_argument("--tick-until", type=epoch, help="last tick, ISO 8601")
    parser.add_argument("--tick-period", type=float, default=60.0)
    parser.add_argument("--tick-late", type=float, default=59.0, help="seconds a tick may take")
    options = parser.parse_args(arguments)
    if options.tick_task and None in (options.tick_from, options.tick_until):
        parser.error("--tick-task needs --tick-from and --tick-until")
    return options


def main(arguments: list[str]) -> int:
    """Check, print the verdict, tell it by the exit status."""
    options = options_of(arguments)
    readers: dict[str, Callable[[], str]] = {
        "url": lambda: from_url(options.url),
        "command": lambda: from_command(options.command),
        "ledger": lambda: from_file(options.ledger),
    }
    read = next(readers[name] for name in readers if getattr(options, name))

    def ticks_of(executions: list[dict[str, Any]]) -> dict[str, Any] | None:
        if not options.tick_task:
            return None
        return check_ticks(
            executions,
            options.tick_task,
            options.tick_from,
            options.tick_until,
            options.tick_period,
            options.tick_late,
        )

    def done(executions: list[dict[str, Any]]) -> bool:
        ticks = ticks_of(executions)
        now = time.time() if options.interrupted_ok else None
        return settled(submissions, executions, now) and not (ticks and ticks["missed"])

    try:
        submissions = [item for path in options.accepted for item in documents(from_file(path))]
        executions = read_when(read, done, options.wait)
    except Unreadable as error:
        print(f"checker: {error}", file=sys.stderr)
        return 2
    verdict: dict[str, Any] = {
        "tasks": check_tasks(submissions, executions, options.slack),
        "ticks": ticks_of(executions),
    }
    verdict["broken"] = breaks(verdict, options.interrupted_ok)
    print(json.dumps(verdict, indent=2))
    return 1 if verdict["broken"] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
