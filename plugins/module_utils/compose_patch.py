# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The change as a patch to commit, and as a diff to look at, without values of variables."""

from __future__ import annotations

import difflib
import re

from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import Refusal
from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import (
    MERGE,
    Node,
    effective,
    parse,
)

MASK = "********"
# Variables whose values are no secret and say what an edit does.
_SHOWN = {"Q_CLUSTER_NAME", "DJANGO_SETTINGS_MODULE"}
_REFERENCE = re.compile(r"\$(?:\w+|\{\w+(?::?\?[^{}$]*)?\})\Z")
_CREDENTIALS = re.compile(r"(://[^/\s:@]*:)[^@\s/]+(?=@)")


def unified(changes: list[tuple[str, str, str]]) -> str:
    """A patch for `git apply` and `patch -p1`.

    Args:
        changes: (path, text before, text after), paths relative to where it is applied.
    """
    parts: list[str] = []
    for path, before, after in changes:
        lines = difflib.unified_diff(
            _lines(before),
            _lines(after),
            f"a/{path}",
            f"b/{path}",
        )
        for line in lines:
            parts.append(line if line.endswith("\n") else line + "\n\\ No newline at end of file\n")
    return "".join(parts)


def _lines(text: str) -> list[str]:
    """The lines with their newlines; only `\\n` ends one, as for git."""
    lines = text.split("\n")
    return [line + "\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def masked(name: str, text: str) -> str:
    """A Compose file's text with the values of environment variables hidden.

    What is only a reference (`${NAME}`, `${NAME:?message}`) stays. A text that is no YAML is
    hidden as a whole.
    """
    try:
        documents = parse(name, text)
    except Refusal:
        return MASK + "\n"
    hidden: dict[tuple[int, int], str] = {}
    for root in documents:
        services = root.entry("services") if root.kind == "mapping" else None
        for entry in services.value.resolved.entries if services else []:
            found = effective(entry.value, "environment") if entry.value.resolved.entries else None
            if found is not None:
                _hide(found[0].value, hidden)
        for node in root.walk():
            own = node.entry("environment") if node.kind == "mapping" else None
            if own is not None:
                _hide(own.value, hidden)
    for (start, end), replacement in sorted(hidden.items(), reverse=True):
        text = text[:start] + replacement + text[end:]
    return _CREDENTIALS.sub(rf"\1{MASK}", text)


def _hide(environment: Node, hidden: dict[tuple[int, int], str]) -> None:
    """Note the ranges of the values of an `environment`, those that are merged in too."""
    environment = environment.resolved
    for item in environment.items:
        item = item.resolved
        variable, sign, value = item.value.partition("=")
        if sign and variable not in _SHOWN and not _REFERENCE.match(value):
            quote = item.style if item.style in ("'", '"') else ""
            hidden[item.start, item.end] = f"{quote}{variable}={MASK}{quote}"
    for entry in environment.entries:
        value = entry.value.resolved
        if entry.key.value == MERGE:
            for node in value.items if value.kind == "sequence" else [value]:
                _hide(node, hidden)
        elif (
            value.kind == "scalar"
            and not value.null
            and entry.key.value not in _SHOWN
            and not _REFERENCE.match(value.value)
        ):
            hidden[value.start, value.end] = MASK
