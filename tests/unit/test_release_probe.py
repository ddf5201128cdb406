"""The measure of the seconds without web."""

from __future__ import annotations

import http.server
import threading
import time

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.release_probe import (
    Prober,
    Try,
    answers,
    direct_opener,
    gap_seconds,
)


@pytest.mark.parametrize(
    ("tries", "gap"),
    [
        ([], None),
        ([(0.0, False), (1.0, True)], None),
        ([(0.0, True), (1.0, True)], 0.0),
        ([(0.0, True), (0.1, False), (0.5, False), (0.75, True)], 0.75),
        ([(0.0, True), (1.0, False), (2.0, True), (3.0, False), (3.5, True)], 3.5),
        ([(0.0, True), (1.0, True), (4.0, False)], 3.0),
    ],
)
def test_gaps_add_up(tries: list[Try], gap: float | None) -> None:
    assert gap_seconds(tries) == gap


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with the status that the path names."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(int(self.path.strip("/") or 200))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def serve(port: int = 0) -> http.server.ThreadingHTTPServer:
    """A server on this machine, in a thread of its own."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    return server


def stop(server: http.server.ThreadingHTTPServer) -> None:
    """Stop a server and close its socket."""
    server.shutdown()
    server.server_close()


def test_any_answer_below_500_is_one() -> None:
    server = serve()
    url = f"http://127.0.0.1:{server.server_address[1]}/"
    opener = direct_opener()
    statuses = (200, 302, 400, 404, 500, 502)
    found = {status: answers(opener, f"{url}{status}", 1) for status in statuses}
    stop(server)
    assert found == {200: True, 302: True, 400: True, 404: True, 500: False, 502: False}
    assert not answers(opener, url, 1)


def test_a_gap_is_seen() -> None:
    server = serve()
    port = server.server_address[1]
    prober = Prober(f"http://127.0.0.1:{port}/", pause=0.005).start()
    began = time.monotonic()
    stop(server)
    while len([good for _, good in prober.tries if not good]) < 5:
        assert time.monotonic() - began < 10
        time.sleep(0.005)
    server = serve(port)
    gap = prober.stop()
    took = time.monotonic() - began
    stop(server)
    assert gap is not None
    assert 0.02 < gap <= took + 0.1
