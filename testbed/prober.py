"""Runs inside a host while something is switched there: how long was web away, how long a worker?

``prober.py RESULT STOP``: until the file STOP appears it asks web's health address and lists the
running workers about twenty times a second, then writes RESULT:
``{"web": {"longest": s, "total": s, "asked": n}, "worker": {…}}``. Standard library only.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

INTERVAL = 0.05
LIMIT_SECONDS = 3600.0
WORKERS = ("celery_worker", "qcluster")


class Spans:
    """Adds up the time between the last good answer and the next good one."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self.longest = self.total = 0.0
        self.asked = 0
        self._last_good: float | None = None
        self._away = False

    def seen(self, good: bool, asked_at: float, answered_at: float) -> None:
        """Take one answer in, with the monotonic times of question and answer."""
        self.asked += 1
        if not good:
            self._away = True
            return
        if self._away and self._last_good is not None:
            span = answered_at - self._last_good
            self.total += span
            self.longest = max(self.longest, span)
        self._away = False
        self._last_good = asked_at

    def result(self, now: float) -> dict[str, float]:
        """The figures in seconds; what is away at the end counts up to now."""
        if self._away and self._last_good is not None:
            self.seen(True, now, now)
        return {
            "longest": round(self.longest, 2),
            "total": round(self.total, 2),
            "asked": self.asked,
        }


class DockerConnection(http.client.HTTPConnection):
    """HTTP over the Docker daemon's socket."""

    def connect(self) -> None:
        """Connect to the socket instead of a port."""
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect("/var/run/docker.sock")


def web_answers() -> bool:
    """Whether web's health address answers 200 within a second."""
    connection = http.client.HTTPConnection("127.0.0.1", 8000, timeout=1.0)
    try:
        connection.request("GET", "/health/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def worker_runs() -> bool:
    """Whether any container that executes tasks runs."""
    connection = DockerConnection("docker", timeout=5.0)
    try:
        filters = quote(json.dumps({"status": ["running"]}))
        connection.request("GET", f"/containers/json?filters={filters}")
        found = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    labels = [entry["Labels"] for entry in found]
    return any(
        label.get("com.docker.compose.service", "").startswith(WORKERS)
        and label.get("com.docker.compose.oneoff") != "True"
        for label in labels
    )


def watch(question: Callable[[], bool], spans: Spans, stop: Path, deadline: float) -> None:
    """Ask again and again until the stop file appears or the time is up."""
    while not stop.exists() and time.monotonic() < deadline:
        asked_at = time.monotonic()
        spans.seen(question(), asked_at, time.monotonic())
        time.sleep(INTERVAL)


def main(result: Path, stop: Path) -> None:
    """Watch both, write the result beside and move it into place."""
    deadline = time.monotonic() + LIMIT_SECONDS
    watched = {"web": (web_answers, Spans()), "worker": (worker_runs, Spans())}
    threads = [
        threading.Thread(target=watch, args=(question, spans, stop, deadline))
        for question, spans in watched.values()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    now = time.monotonic()
    figures = {name: spans.result(now) for name, (_, spans) in watched.items()}
    new = result.with_suffix(".new")
    new.write_text(json.dumps(figures), encoding="utf-8")
    os.replace(new, result)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
