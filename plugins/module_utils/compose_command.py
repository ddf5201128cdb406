# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Whether the command of a qcluster service passes SIGTERM on to the cluster.

Compose splits a command that is a string itself and asks no shell, so a string is as good as a
list. What swallows the signal is a shell (`sh -c "…"`) that starts the cluster as its child.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass, field

from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import Node

_SHELLS = {"sh", "bash", "ash", "dash", "zsh", "ksh"}
_SEPARATOR = re.compile(r"&&|\|\||;|\n")
_SPECIAL = re.compile(r"[&|;<>()`\n]")


@dataclass
class Verdict:
    """What is to be said of a command.

    Attributes:
        words: the command to write instead; None when it is fine or cannot be judged.
        doubts: what cannot be judged, as the text of a finding.
    """

    words: list[str] | None = None
    doubts: list[str] = field(default_factory=list)


def words_of(node: Node | None) -> list[str]:
    """A command's words: those of a list, or of a string, split as Compose does."""
    if node is None or node.null:
        return []
    if node.kind == "sequence":
        return [item.resolved.value for item in node.items]
    try:
        return shlex.split(node.value)
    except ValueError:
        return node.value.split()


def shell_script(words: list[str]) -> str | None:
    """The script of `sh -c "script"`; None for any other command."""
    if not words or os.path.basename(words[0]) not in _SHELLS:
        return None
    for index, word in enumerate(words[1:], 1):
        if re.match(r"-[a-z]*c[a-z]*\Z", word):
            return words[index + 1] if index + 1 < len(words) else None
        if not word.startswith("-"):
            return None
    return None


def without_name(words: list[str]) -> list[str]:
    """A command without `qcluster -n NAME`, which serves the default queue in silence."""
    kept: list[str] = []
    skip = False
    after = False
    for word in words:
        if skip:
            skip = False
        elif after and word in ("-n", "--name"):
            skip = True
        elif after and (word.startswith("--name=") or re.match(r"-n\S+\Z", word)):
            continue
        else:
            kept.append(word)
            after = after or word == "qcluster"
    return kept


def judge(words: list[str]) -> Verdict:
    """Judge the command of a qcluster service that is there already.

    Args:
        words: its entrypoint, if the file has one, and its command.
    """
    verdict = Verdict()
    if "dumb-init" in {os.path.basename(word) for word in words[:2]} and not (
        {"-c", "--single-child"} & set(words)
    ):
        verdict.doubts.append(
            "dumb-init sends SIGTERM to the whole process group, and qcluster then hangs; "
            "give it --single-child or take it away"
        )
    script = shell_script(words)
    if script is None:
        if "qcluster" in words:
            if without_name(words) != words:
                verdict.words = without_name(words)
        else:
            verdict.doubts.append(
                "it cannot be seen here that this starts qcluster and passes SIGTERM on to it; "
                "a script should end with `exec`"
            )
        return verdict
    pieces = [(m.start(), m.end()) for m in _SEPARATOR.finditer(script.rstrip())]
    last_start = pieces[-1][1] if pieces else 0
    last = script[last_start:].strip()
    if "qcluster" not in last or _SPECIAL.search(last):
        verdict.doubts.append(
            "the shell does more than start qcluster and will not pass SIGTERM on to it; "
            "give qcluster a service of its own, or end the script with `exec`"
        )
    elif last.startswith("exec "):
        return verdict
    elif re.match(r"[A-Za-z_]\w*=", last) or "$" in last:
        verdict.doubts.append(
            "the shell starts qcluster as its child and will not pass SIGTERM on to it; "
            "write `exec` before its command"
        )
    elif pieces:
        at = words.index(script)
        start = script.rindex(last)
        verdict.words = [*words[:at], f"{script[:start]}exec {last}"]
    else:
        verdict.words = without_name(shlex.split(last))
    return verdict


def launcher_doubts(words: list[str]) -> list[str]:
    """What the command of the Celery worker holds that a new qcluster service does not get."""
    doubts = []
    script = shell_script(words)
    text = script if script is not None else " ".join(words)
    if script is not None and re.search(r"\bcd\s", script):
        doubts.append(
            "the worker changes its directory first, the new service does not: "
            "set working_dir, or give the command"
        )
    match = re.match(r"\s*(\S+)\s+run\b.*\bcelery\b", text)
    if match:
        doubts.append(
            f"the worker is started through `{match.group(1)} run`, the new service is not: "
            "give the command if its Python is found that way alone"
        )
    return doubts
