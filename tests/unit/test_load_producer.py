"""The producer of the load tests: what it sends, where to, and what it writes down."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.load import producer


class Application(BaseHTTPRequestHandler):
    """Accepts tasks, and refuses those whose uid ends in 3."""

    uids: list[str] = []  # noqa: RUF012 (shared by the requests)

    def do_POST(self) -> None:
        """Answer as the sample application does."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.uids.append(body["uid"])
        self.send_response(503 if body["uid"].endswith("3") else 202)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def application() -> Iterator[str]:
    """The URL of an application on this machine."""
    Application.uids = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Application)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/tasks/"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1:8000/tasks/",
        "http://10.0.0.1/tasks/",
        "http://example.org/tasks/",
        "https://127.0.0.1/tasks/",
        "127.0.0.1:8000",
    ],
)
def test_it_sends_to_loopback_only(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected http|loopback"):
        producer.loopback(url)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost", "[::1]"])
def test_loopback_addresses(host: str) -> None:
    assert producer.loopback(f"http://{host}:8000/tasks/")[1:] == (8000, "/tasks/")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--count", "0"],
        ["--count", "1000000"],
        ["--for", "86400"],
        ["--rate", "0"],
        ["--countdown-share", "2"],
        ["--seconds", "5:1"],
        ["--queues", ","],
        ["--url", "http://192.0.2.1/"],
    ],
)
def test_it_is_bounded(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        producer.options_of(["--out", "x", *arguments])
    assert ended.value.code == 2
    assert capsys.readouterr().err


def test_the_plan_deals_countdowns_and_queues_out_evenly() -> None:
    options = producer.options_of(["--out", "x", "--count", "1000", "--countdown", "2:4"])
    made = producer.plan(options)
    delayed = [item for item in made if item["countdown"]]
    assert len(delayed) == 200
    assert all(2 <= item["countdown"] <= 4 for item in delayed)
    assert sum(item["queue"] == "gis" for item in made) == 500
    assert len({item["uid"] for item in made}) == 1000
    assert made == producer.plan(options)


def test_what_was_answered_is_written_down_and_nothing_is_sent_twice(
    application: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "accepted.jsonl"
    arguments = ["--url", application, "--out", str(out), "--count", "20", "--rate", "500"]
    assert producer.main(arguments) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == len(Application.uids) == len(set(Application.uids)) == 20
    assert sum(line["status"] == 202 for line in lines) == 18
    assert all(line["sent_at"] <= line["answered_at"] for line in lines)
    summary = json.loads(capsys.readouterr().out)
    assert summary["accepted"] == 18
    assert summary["statuses"] == {"202": 18, "503": 2}


def test_no_answer_is_no_acceptance(application: str) -> None:
    port = int(application.split(":")[2].split("/")[0])
    out = io.StringIO()
    sender = producer.Producer(("127.0.0.1", port, "/tasks/"), out, timeout=1)
    sender.port = 1  # nobody listens
    options = producer.options_of(["--out", "x", "--count", "3"])
    assert sender.run(producer.plan(options), 1000, 5, 2) == 3
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["status"] for line in lines] == [None, None, None]
    assert all("ConnectionRefused" in line["error"] for line in lines)


def test_it_stops_when_its_time_is_over_or_when_told() -> None:
    options = producer.options_of(["--out", "x", "--count", "1000"])
    sender = producer.Producer(("127.0.0.1", 1, "/"), io.StringIO(), timeout=1)
    assert sender.run(producer.plan(options), rate=20, most=0.2, threads=2) < 20
    sender.stop()
    assert sender.run(producer.plan(options), rate=20, most=60, threads=2) == 0
