"""Compose services that still run Celery, and a `qcluster` that cannot be stopped or watched.

The deployment removes Celery's services, so they are a warning. `qcluster -n` serves the default
queue whatever name it is given. Under `sh -c` without exec the cluster never hears SIGTERM; from
dumb-init without --single-child it hears it with all its workers at once, and hangs. Dockerfiles
and the scripts that containers start with are read as well.
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
SHELL = re.compile(r"\b(ba|da|a|z)?sh\s+-\w*c\b")
EXEC = re.compile(r"\bexec\b[^;&|\n]*qcluster")
FLOWER = re.compile(r"(^|/)flower(:|@|$)")
#: A shell script's line that starts qcluster and waits for it.
STARTS = re.compile(
    r"^\s*(?!#)(?!.*\bexec\b)(?!.*&\s*$)(?:\S*python[\d.]*\s+)?\S*manage\.py\s+qcluster"
)
GROUP = re.compile(r"\bdumb-init\b(?!.*(?:\s-c\b|--single-child).*qcluster).*qcluster")
CELERY = re.compile(r"(^|[\s/;&|'\"])(celery\s|celery$|flower(\s|$)|-m\s+celery)")


def check(context: Context) -> Iterator[Finding]:
    """Look at every compose file, and at the CMD of every Dockerfile."""
    for source in context.texts():
        if NAME.search(source.path):
            yield from _compose(context, source)
        elif source.name.lower().startswith("dockerfile"):
            yield from _dockerfile(source)
        elif source.name.endswith(".sh"):
            yield from _script(source)


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
    image = words(get(value, "image"))
    if CELERY.search(text) or FLOWER.search(image):
        text = text or image
        yield found(
            node,
            Level.WARNING,
            f"The service {name} runs Celery: {text[:60]}",
            "Drop it; the deployment does so too.",
        )
    if "qcluster" not in text:
        return
    if GROUP.search(text):
        yield found(
            node,
            Level.ERROR,
            f"The service {name} starts qcluster under dumb-init, which sends SIGTERM to its "
            "workers too: it hangs.",
            "Give dumb-init --single-child, or do without it.",
        )
    if SHELL.search(text) and not EXEC.search(text):
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
        match = re.match(r"\s*(CMD|ENTRYPOINT)\s+(.*qcluster.*)", line, re.IGNORECASE)
        if not match:
            continue
        text = " ".join(re.findall(r'"([^"]*)"', match[2])) if match[2][0] == "[" else match[2]
        shell = match[2][0] != "[" or SHELL.search(text)
        if shell and not EXEC.search(text):
            yield Finding(
                RULE,
                Level.ERROR,
                source.path,
                number,
                1,
                "qcluster is started in shell form: it does not hear SIGTERM.",
                'Write it as a list: CMD ["python", "manage.py", "qcluster"].',
            )


def _script(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.lines, 1):
        if STARTS.match(line):
            yield Finding(
                RULE,
                Level.WARNING,
                source.path,
                number,
                1,
                "A script starts qcluster and waits for it: if a container runs the script, the "
                "cluster does not hear SIGTERM.",
                "Put exec before it.",
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
        "flower, dumb-init, a list with a shell in it, a script",
        {
            "compose.yaml": "services:\n  flower:\n    image: mher/flower:2\n  q:\n"
            "    command: dumb-init python manage.py qcluster\n",
            "Dockerfile.q": 'FROM a\nENTRYPOINT ["sh", "-c", "python manage.py qcluster"]\n',
            "start.sh": "#!/bin/sh\nset -e\npython manage.py qcluster\n",
        },
        ("Dockerfile.q:2", "compose.yaml:2", "compose.yaml:5", "start.sh:3"),
    ),
    Example(
        "services that are fine",
        {
            "compose.yaml": "services:\n  web:\n    command: gunicorn shop.wsgi\n  q:\n"
            "    command: [python, manage.py, qcluster]\n    healthcheck:\n"
            "      test: [CMD, python, manage.py, q_health]\n  q2:\n"
            "    command: dumb-init --single-child python manage.py qcluster\n"
            "  q3:\n    command: sh -c 'sleep 1 && exec python manage.py qcluster'\n",
            "Dockerfile": 'FROM a\nCMD ["python", "manage.py", "qcluster"]\n',
            "start.sh": "#!/bin/sh\n# python manage.py qcluster\nexec python manage.py qcluster\n",
        },
    ),
)
