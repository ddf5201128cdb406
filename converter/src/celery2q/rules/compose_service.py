"""Compose services that still run Celery, and a `qcluster` that cannot be stopped or watched.

The deployment removes Celery's services, so they are a warning. `qcluster -n` serves the default
queue whatever name it is given. Under `sh -c` without exec the cluster never hears SIGTERM.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from celery2q.compose import NAME, command, get, services, words
from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.sources import Source

RULE = "compose-service"
CELERY = re.compile(r"(^|[\s/;&|'\"])(celery\s|celery$|flower(\s|$)|-m\s+celery)")


def check(context: Context) -> Iterator[Finding]:
    """Look at every compose file, and at the CMD of every Dockerfile."""
    for source in context.texts():
        if NAME.search(source.path):
            yield from _compose(context, source)
        elif source.name.lower().startswith("dockerfile"):
            yield from _dockerfile(source)


def _compose(context: Context, source: Source) -> Iterator[Finding]:
    try:
        found = list(services(source))
    except yaml.YAMLError as error:
        context.tree.problem(source.path, f"no YAML: {str(error).splitlines()[0]}")
        return
    for name, key, value in found:
        yield from _service(source, name, key, value)


def _service(source: Source, name: str, key: Any, value: Any) -> Iterator[Finding]:
    def found(node: Any, level: Level, message: str, fix: str) -> Finding:
        mark = node.start_mark
        return Finding(RULE, level, source.path, mark.line + 1, mark.column + 1, message, fix)

    text = command(value)
    node = get(value, "command") or get(value, "entrypoint") or key
    if CELERY.search(text):
        yield found(
            node,
            Level.WARNING,
            f"The service {name} runs Celery: {text[:60]}",
            "Drop it; the deployment does so too.",
        )
    if "qcluster" not in text:
        return
    if re.search(r"\b(ba|da|a)?sh\s+-\w*c\b", text) and not re.search(
        r"\bexec\b[^;&|]*qcluster", text
    ):
        yield found(
            node,
            Level.ERROR,
            f"The service {name} starts qcluster under a shell, which does not hand SIGTERM on.",
            'Put exec before it, or write a list: ["python", "manage.py", "qcluster"].',
        )
    if re.search(r"qcluster\s+(.*\s)?(-n|--name)\b", text):
        yield found(
            node,
            Level.ERROR,
            f"The service {name} names its cluster by -n, which serves the default queue.",
            "Set Q_CLUSTER_NAME in its environment.",
        )
    health = get(value, "healthcheck")
    if health is not None:
        test = words(get(health, "test"))
        if words(get(health, "disable")).lower() == "true" or test.startswith("NONE"):
            yield found(
                health,
                Level.WARNING,
                f"The service {name} has its health check disabled.",
                "Check that the cluster's Stat of this host is fresh.",
            )
        elif "qinfo" in test:
            yield found(
                health,
                Level.WARNING,
                f"The health check of {name} runs qinfo, which exits 0 without any cluster.",
                "Check that the cluster's Stat of this host is fresh.",
            )


def _dockerfile(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        match = re.match(r"\s*(CMD|ENTRYPOINT)\s+(?!\[)(.*qcluster.*)", line, re.IGNORECASE)
        if match and not match[2].startswith("exec "):
            yield Finding(
                RULE,
                Level.ERROR,
                source.path,
                number,
                1,
                "qcluster is started in shell form: it does not hear SIGTERM.",
                'Write it as a list: CMD ["python", "manage.py", "qcluster"].',
            )


EXAMPLES = (
    Example(
        "Celery's services and a qcluster in a shell",
        {
            "docker-compose.yml": "x-app: &app\n  image: a\nservices:\n  worker:\n    <<: *app\n"
            "    command: celery -A shop worker\n  q:\n    <<: *app\n"
            "    command: sh -c 'python manage.py qcluster -n slow'\n"
            "    healthcheck:\n      disable: true\n",
            "Dockerfile": "FROM a\nCMD python manage.py qcluster\n",
        },
        (
            "Dockerfile:2",
            "docker-compose.yml:6",
            "docker-compose.yml:9",
            "docker-compose.yml:9",
            "docker-compose.yml:11",
        ),
    ),
    Example(
        "services that are fine",
        {
            "compose.yaml": "services:\n  web:\n    command: gunicorn shop.wsgi\n  q:\n"
            "    command: [python, manage.py, qcluster]\n    healthcheck:\n"
            "      test: [CMD, python, manage.py, q_health]\n",
        },
    ),
)
