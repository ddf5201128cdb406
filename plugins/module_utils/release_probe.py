# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Measures for how long a web service does not answer while it is replaced."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
import urllib.error
import urllib.request
from typing import Any

# A try: when its answer came (seconds, a monotonic clock) and whether the service answered.
Try = tuple[float, bool]


def gap_seconds(tries: list[Try]) -> float | None:
    """Seconds without an answer: from the last good one before a failure to the next good one.

    Several gaps add up. One that has not ended lasts to the last try.

    Returns:
        Seconds; None when nothing is known, since the first try failed already or there is none.
    """
    if not tries or not tries[0][1]:
        return None
    total, last_good, failing = 0.0, tries[0][0], False
    for moment, good in tries[1:]:
        if good:
            if failing:
                total += moment - last_good
            last_good, failing = moment, False
        else:
            failing = True
    if failing:
        total += tries[-1][0] - last_good
    return round(total, 3)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer: it may lead to a name that the host itself cannot reach."""

    def redirect_request(self, *_: Any) -> None:
        """Follow nothing."""


def direct_opener() -> urllib.request.OpenerDirector:
    """What asks directly: no proxy, no redirect, no look at a certificate. The host asks itself."""
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    tls = urllib.request.HTTPSHandler(context=unchecked)
    return urllib.request.build_opener(urllib.request.ProxyHandler({}), tls, _NoRedirect())


def answers(opener: urllib.request.OpenerDirector, url: str, timeout: float) -> bool:
    """Whether a service answers: any status below 500 is an answer, a refused or cut one is not."""
    try:
        with opener.open(url, timeout=timeout):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except (OSError, http.client.HTTPException):
        return False


class Prober:
    """Asks a URL again and again in a thread of its own.

    Attributes:
        url: what it asks for.
        tries: what it saw, in order.
    """

    def __init__(self, url: str, pause: float = 0.02, timeout: float = 1.0) -> None:
        self.url = url
        self.tries: list[Try] = []
        self._pause, self._timeout = pause, timeout
        self._opener = direct_opener()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            good = answers(self._opener, self.url, self._timeout)
            self.tries.append((time.monotonic(), good))
            self._stop.wait(self._pause)

    def start(self) -> Prober:
        """Start asking; returns once the first answer, or failure, is in."""
        self._thread.start()
        limit = time.monotonic() + 2 * self._timeout
        while not self.tries and time.monotonic() < limit:
            time.sleep(0.005)
        return self

    def stop(self, patience: float = 5.0) -> float | None:
        """Stop once the service answers, or after `patience` seconds; see `gap_seconds`."""
        limit = time.monotonic() + patience
        while time.monotonic() < limit and not (self.tries and self.tries[-1][1]):
            time.sleep(0.01)
        self._stop.set()
        self._thread.join(timeout=2 * self._timeout)
        return gap_seconds(self.tries)
