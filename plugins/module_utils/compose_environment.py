# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Adding one variable to a service's `environment`, in whichever form the file has it."""

from __future__ import annotations

from ansible_collections.cutover.django_q.plugins.module_utils import compose_render as render
from ansible_collections.cutover.django_q.plugins.module_utils.compose_draft import Draft, Source
from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import MERGE, Node


def value_of(environment: Node, name: str) -> str | None:
    """The value that `environment` gives to a variable; None when it does not name it."""
    environment = environment.resolved
    if environment.kind == "sequence":
        for item in environment.items:
            variable, _sign, value = item.resolved.value.partition("=")
            if variable == name:
                return value
        return None
    entry = environment.entry(name)
    if entry is not None:
        return entry.value.resolved.value
    merge = environment.entry(MERGE)
    if merge is None:
        return None
    merged = merge.value.resolved
    for node in merged.items if merged.kind == "sequence" else [merged]:
        found = value_of(node, name)
        if found is not None:
            return found
    return None


def as_lines(
    source: Source, environment: Node | None, name: str, value: str, indent: int, step: int
) -> str:
    """The whole key `environment` in block style: what was there, and the variable.

    Args:
        source: the file in which `environment` stands.
        environment: its value, or an alias of it; None when there is none yet.
        name: the variable.
        value: its value.
        indent: the column of the key.
        step: spaces by which its members are indented further.
    """
    newline = source.newline
    margin = " " * (indent + step)
    head = " " * indent + "environment:" + newline
    own = f"{margin}{render.key(name)}: {render.scalar(value)}{newline}"
    if environment is None or environment.resolved.null:
        return head + own
    node = environment.resolved
    if node.kind == "sequence":
        members = [f"{margin}- {_raw(source, item, indent + step + 2)}" for item in node.items]
        return head + newline.join([*members, f"{margin}- {name}={value}"]) + newline
    if node.anchor:
        return head + f"{margin}<<: *{node.anchor}{newline}" + own
    lines = [
        f"{margin}{source.text[e.key.start : e.key.end]}: {_raw(source, e.value, indent + step)}"
        for e in node.entries
        if e.key.value != name
    ]
    return head + "".join(line.rstrip() + newline for line in lines) + own


def _raw(source: Source, node: Node, column: int) -> str:
    """A value as it is written, its further lines moved to a column."""
    text = source.text[node.start : node.end]
    if "\n" not in text:
        return text
    line = source.line_of(node.start)
    old = len(source.line(line)) - len(source.line(line).lstrip(" "))
    return render.reindent(text, old, column)


def add(draft: Draft, environment: Node, name: str, value: str) -> None:
    """Add the variable to a mapping or a list that stands in the file, or set it there.

    Args:
        draft: the changes to the file.
        environment: a mapping or a sequence, no alias, with at least one member.
    """
    source = draft.source
    pair = f"{name}={value}"
    if environment.kind == "sequence":
        for item in environment.items:
            if item.resolved.value.partition("=")[0] == name:
                draft.replace(item.start, item.end, pair)
                return
        last = environment.items[-1]
        if environment.flow:
            draft.replace(last.end, last.end, f", {pair}")
            return
        dash = len(source.text[: last.start].rstrip()) - 1
        text = " " * source.column(dash) + f"- {pair}{source.newline}"
    else:
        entry = environment.entry(name)
        if entry is not None:
            text = render.scalar(value)
            draft.replace(
                entry.value.start, entry.value.end, text if entry.value.value else f" {text}"
            )
            return
        last_entry = environment.entries[-1]
        quoted = source.text[last_entry.start] == '"'
        text = f"{render.key(name, quoted)}: {render.scalar(value, quoted)}"
        if environment.flow:
            draft.replace(last_entry.end, last_entry.end, f", {text}")
            return
        text = " " * source.column(last_entry.start) + text + source.newline
    line = source.line_of(max(environment.end - 1, 0)) + 1
    # Before what is put after the whole service: it belongs to `environment`.
    draft.insert(line, text, first=True)
