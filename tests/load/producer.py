#!/usr/bin/env python3
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Submits tasks to the sample application at a steady rate and keeps what was accepted.

It plays the users during a migration: one POST a task, each with a uid of its own, never a second
try. What was answered with 202 was accepted and must run exactly once; of what was refused or got
no answer nobody promised anything. `checker.py` holds the one against the ledger.

It sends to loopback addresses only, is bounded in count and time, and stops by itself.

    python3 producer.py --out accepted.jsonl --rate 20 --count 1000 --countdown-share 0.2

Each line of the file: {uid, task, queue, seconds, countdown, sent_at, answered_at, status, error};
times in seconds since the epoch, status None without an answer. The summary is one JSON document
on standard output. Standard library only: it runs on the Docker host.
"""

from __future__ import annotations

import argparse
import http.client
import ipaddress
import json
import random
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TextIO
from urllib.parse import urlsplit

# No run is longer or larger than this, whatever is asked for.
MOST_TASKS = 100_000
MOST_SECONDS = 3_600.0

Span = tuple[float, float]


def loopback(url: str) -> tuple[str, int, str]:
    """Host, port and path of a URL whose host is this machine's loopback.

    Raises:
        ValueError: it is any other address, or no http URL.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"{url}: expected http://127.0.0.1:<port>/<path>")
    host = parts.hostname
    if host != "localhost" and not is_loopback(host):
        raise ValueError(f"{url}: {host} is no loopback address; load is sent nowhere else")
    return host, parts.port or 80, parts.path or "/"


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address written as numbers."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def span(text: str) -> Span:
    """`2` or `1:5` as the ends of a span of seconds."""
    first, _colon, last = text.partition(":")
    ends = float(first), float(last or first)
    if not 0 <= ends[0] <= ends[1]:
        raise argparse.ArgumentTypeError(f"{text}: expected SECONDS or FROM:TO")
    return ends


def plan(options: argparse.Namespace) -> list[dict[str, Any]]:
    """All submissions, in order; the same seed gives the same ones.

    The share with a countdown and the queues are dealt out evenly, not thrown: a short run holds
    them in the proportion that was asked for.
    """
    dice = random.Random(options.seed)
    made, due = [], 0.0
    for number in range(options.count):
        due += options.countdown_share
        delayed = due >= 1
        if delayed:
            due -= 1
        made.append(
            {
                "uid": f"{options.prefix}-{number:06d}",
                "task": options.task,
                "queue": options.queues[number % len(options.queues)],
                "seconds": round(dice.uniform(*options.seconds), 3),
                "countdown": round(dice.uniform(*options.countdown), 3) if delayed else 0.0,
            }
        )
    return made


class Producer:
    """Sends submissions at their time and writes down what was answered."""

    def __init__(self, target: tuple[str, int, str], out: TextIO, timeout: float) -> None:
        self.host, self.port, self.path = target
        self.out, self.timeout = out, timeout
        self.lock = threading.Lock()
        self.stopped = threading.Event()
        self.statuses: dict[str, int] = {}
        self.answered: list[float] = []

    def stop(self, *_signal: Any) -> None:
        """Send no more; what is under way is written down."""
        self.stopped.set()

    def post(self, submission: dict[str, Any]) -> tuple[int | None, str]:
        """One request: its status, or None and why there was no answer."""
        body = {key: submission[key] for key in ("uid", "task", "queue", "seconds", "countdown")}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        try:
            connection.request(
                "POST", self.path, json.dumps(body), {"Content-Type": "application/json"}
            )
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            return answer.status, "" if answer.status == 202 else text[:200]
        except (OSError, http.client.HTTPException) as error:
            return None, f"{type(error).__name__}: {error}"
        finally:
            connection.close()

    def submit(self, submission: dict[str, Any]) -> None:
        """Send one submission and write down what became of it."""
        sent_at = time.time()
        status, error = self.post(submission)
        answered_at = time.time()
        line = json.dumps(
            {
                **submission,
                "sent_at": sent_at,
                "answered_at": answered_at,
                "status": status,
                "error": error,
            }
        )
        with self.lock:
            key = str(status) if status else "no answer"
            self.statuses[key] = self.statuses.get(key, 0) + 1
            if status == 202:
                self.answered.append(answered_at)
            self.out.write(line + "\n")
            self.out.flush()

    def run(self, submissions: list[dict[str, Any]], rate: float, most: float, threads: int) -> int:
        """Send them, `rate` a second, for at most `most` seconds; returns how many were sent."""
        begin = time.monotonic()
        sent = 0
        with ThreadPoolExecutor(max_workers=threads) as pool:
            for number, submission in enumerate(submissions):
                wait = begin + number / rate - time.monotonic()
                if self.stopped.wait(max(0.0, wait)) or time.monotonic() - begin >= most:
                    break
                pool.submit(self.submit, submission)
                sent += 1
        return sent

    def longest_gap(self) -> float:
        """The longest time between two tasks that were accepted, in seconds."""
        moments = sorted(self.answered)
        return max((after - before for before, after in pairwise(moments)), default=0.0)


def options_of(arguments: list[str]) -> argparse.Namespace:
    """The command line, judged."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000/tasks/", help="loopback only")
    parser.add_argument("--out", required=True, help="JSON lines; added to")
    parser.add_argument("--rate", type=float, default=10.0, help="tasks a second")
    parser.add_argument("--count", type=int, default=1000, help=f"at most {MOST_TASKS}")
    parser.add_argument("--for", dest="most", type=float, default=600.0, metavar="SECONDS")
    parser.add_argument("--task", default="air_quality.tasks.test_task")
    parser.add_argument("--queues", default="gis,default", help="dealt out in turn")
    parser.add_argument("--seconds", type=span, default=(0.0, 0.2), help="of a task, or FROM:TO")
    parser.add_argument("--countdown", type=span, default=(1.0, 10.0), help="or FROM:TO")
    parser.add_argument("--countdown-share", type=float, default=0.2, help="0 to 1")
    parser.add_argument("--prefix", default=f"load-{int(time.time())}", help="of the uids")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=8, help="requests under way at once")
    parser.add_argument("--timeout", type=float, default=10.0, help="seconds for an answer")
    options = parser.parse_args(arguments)
    if not 0 < options.count <= MOST_TASKS:
        parser.error(f"--count must be 1 to {MOST_TASKS}")
    if not 0 < options.most <= MOST_SECONDS:
        parser.error(f"--for must be more than 0 and at most {MOST_SECONDS:g}")
    if not 0 < options.rate <= 1000:
        parser.error("--rate must be more than 0 and at most 1000")
    if not 0 <= options.countdown_share <= 1:
        parser.error("--countdown-share must be 0 to 1")
    if not 1 <= options.threads <= 64:
        parser.error("--threads must be 1 to 64")
    options.queues = [name for name in options.queues.split(",") if name]
    if not options.queues:
        parser.error("--queues names none")
    try:
        options.target = loopback(options.url)
    except ValueError as error:
        parser.error(str(error))
    return options


def main(arguments: list[str]) -> int:
    """Send the load and print the summary; 0 whatever was refused."""
    options = options_of(arguments)
    with open(options.out, "a", encoding="utf-8") as out:
        producer = Producer(options.target, out, options.timeout)
        signal.signal(signal.SIGTERM, producer.stop)
        signal.signal(signal.SIGINT, producer.stop)
        begin = time.time()
        sent = producer.run(plan(options), options.rate, options.most, options.threads)
    print(
        json.dumps(
            {
                "sent": sent,
                "accepted": producer.statuses.get("202", 0),
                "statuses": producer.statuses,
                "seconds": round(time.time() - begin, 1),
                "longest_gap": round(producer.longest_gap(), 3),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
