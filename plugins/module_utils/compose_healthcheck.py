# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The health check of a qcluster service.

`manage.py qinfo` ends with status 0 when no cluster runs. This one asks the cache for the status
of the cluster of this very host, which lives there for 3 seconds, and whether its processes live.
"""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import Node

SCRIPT = (
    "import os, socket; from django_q.status import Stat; "
    "mine = [s for s in Stat.get_all() if s.host == socket.gethostname()]; "
    "[os.kill(p, 0) for s in mine for p in [s.sentinel, s.monitor, s.pusher, *s.workers]]; "
    "raise SystemExit(not mine)"
)
# Checks that say nothing of a qcluster: the first is green without one, the others are Celery's.
_USELESS = re.compile(r"\bqinfo\b|\bcelery\b|\bCMD\b.{0,4}\btrue\b")
_KNOWS = re.compile(r"django_q|qcluster|\bStat\b")


def healthcheck(command: list[str], start_interval: bool) -> dict[str, Any]:
    """The value of `healthcheck` for a service with this command.

    Args:
        command: that of the service, `[…, "manage.py", "qcluster"]`: what stands before
            `qcluster` runs the check too.
        start_interval: whether Engine and Compose know that key (Engine 25 and later).
    """
    start = command[: command.index("qcluster")] if "qcluster" in command else []
    value: dict[str, Any] = {
        "test": ["CMD", *(start or ["python", "manage.py"]), "shell", "-c", SCRIPT],
        # Without start_interval the first answer comes after a whole interval.
        "interval": "30s" if start_interval else "15s",
        # It loads Django each time: 1 s as a rule, 12 s were seen on a host at its limit.
        "timeout": "30s",
        "retries": 3,
        "start_period": "60s",
    }
    if start_interval:
        value["start_interval"] = "3s"
    return value


def works(check: Node, own: bool) -> bool:
    """Whether a health check that is there says something of a qcluster.

    Args:
        check: the value of `healthcheck`.
        own: whether it is the service's own; one that a merge brings is the web service's,
            unless it names the cluster.
    """
    if check.kind != "mapping":
        return False
    disable, test = check.entry("disable"), check.entry("test")
    if disable is not None and disable.value.resolved.value.lower() in ("true", "yes", "on"):
        return False
    if test is None:
        return False
    node = test.value.resolved
    text = " ".join([node.value, *(item.resolved.value for item in node.items)]).strip()
    if text == "NONE" or _USELESS.search(text):
        return False
    return own or bool(_KNOWS.search(text))
