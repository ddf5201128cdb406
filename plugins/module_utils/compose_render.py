# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Values as YAML text: what the editor itself writes into a Compose file."""

from __future__ import annotations

import json
import re
from typing import Any

# Words that mean the same with and without quotes, in every version of YAML.
_PLAIN = re.compile(r"[A-Za-z_][\w-]*\Z|(?:\d+(?:ms|us|s|m|h))+\Z")
_WORDS = {"true", "false", "yes", "no", "on", "off", "y", "n", "null"}


def scalar(value: Any, quoted: bool = False) -> str:
    """A scalar; `quoted` for files that quote all they can, as JSON does."""
    if isinstance(value, str):
        if not quoted and _PLAIN.match(value) and value.lower() not in _WORDS:
            return value
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value)


def flow(value: Any, quoted: bool = False) -> str:
    """A value in one line: strings of lists in double quotes, as Compose files have commands."""
    if isinstance(value, list):
        return "[" + ", ".join(json.dumps(item, ensure_ascii=False) for item in value) + "]"
    if isinstance(value, dict):
        members = [f"{key(k, quoted)}: {flow(v, quoted)}" for k, v in value.items()]
        return "{" + ", ".join(members) + "}"
    return scalar(value, quoted)


def key(name: str, quoted: bool = False) -> str:
    """A key; quoted where the file quotes its keys or YAML needs it."""
    if quoted or not re.match(r"[A-Za-z_][\w.-]*\Z", name) or name.lower() in _WORDS:
        return json.dumps(name)
    return name


def block(name: str, value: Any, indent: int, step: int, newline: str, quoted: bool = False) -> str:
    """A key with its value as whole lines.

    Args:
        name: the key.
        value: a scalar, a list (written in one line) or a dict (written below it).
        indent: spaces before the key.
        step: spaces by which what stands below it is indented further.
        newline: the file's newline.
    """
    head = " " * indent + key(name, quoted) + ":"
    if not isinstance(value, dict):
        return f"{head} {flow(value, quoted)}{newline}"
    members = [block(k, v, indent + step, step, newline, quoted) for k, v in value.items()]
    return head + newline + "".join(members)


def reindent(text: str, old: int, new: int) -> str:
    """Move all lines of a text but its first from column `old` to column `new`."""
    first, *rest = text.split("\n")
    moved = []
    for line in rest:
        margin = len(line) - len(line.lstrip(" "))
        moved.append(" " * max(margin + new - old, 0) + line.lstrip(" ") if line.strip() else line)
    return "\n".join([first, *moved])
