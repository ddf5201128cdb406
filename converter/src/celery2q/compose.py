"""Compose files: their services and what they run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from celery2q.context import Context
from celery2q.sources import Source

NAME = re.compile(r"(^|[/.-])(docker-)?compose[\w.-]*\.ya?ml$", re.IGNORECASE)
WORKER = re.compile(r"(^|[\s/;&|'\"])celery\s.*\bworker\b")
CONCURRENCY = re.compile(r"\s(?:-c|--concurrency)[\s=]*(\d+)\b")


def services(source: Source) -> Iterator[tuple[str, Any, Any]]:
    """Name, key and value (YAML nodes) of each service of a file.

    Raises:
        yaml.YAMLError: the file is no YAML.
    """
    found = get(yaml.compose(source.text, Loader=yaml.SafeLoader), "services")
    if isinstance(found, yaml.MappingNode):
        for key, value in found.value:
            if isinstance(value, yaml.MappingNode):
                yield key.value, key, value


def get(node: Any, name: str) -> Any:
    """A key's value in a mapping, merge keys followed."""
    if not isinstance(node, yaml.MappingNode):
        return None
    merged = None
    for key, value in node.value:
        if key.value == name:
            return value
        if key.value == "<<":
            parts = value.value if isinstance(value, yaml.SequenceNode) else [value]
            for part in parts:
                merged = merged or get(part, name)
    return merged


def words(node: Any) -> str:
    """A command as one line, whether it is written as a list or as a text."""
    if isinstance(node, yaml.SequenceNode):
        return " ".join(str(item.value) for item in node.value)
    return str(node.value) if isinstance(node, yaml.ScalarNode) else ""


def command(service: Any) -> str:
    """What a service runs: entrypoint and command."""
    return f"{words(get(service, 'entrypoint'))} {words(get(service, 'command'))}".strip()


def concurrency(context: Context) -> int:
    """Tasks that Celery's workers run at once, as one compose file says; 0 where none does."""
    most = 0
    for source in context.texts():
        if not NAME.search(source.path):
            continue
        try:
            texts = [command(value) for _, _, value in services(source)]
        except yaml.YAMLError:
            continue  # the rule compose-service names it
        found = [CONCURRENCY.search(text) for text in texts if WORKER.search(text)]
        most = max(most, sum(int(match[1]) for match in found if match))
    return most
