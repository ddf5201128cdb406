# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A YAML file as nodes that know where they stand in the text, to the character.

PyYAML reads, which ansible-core itself needs, so it is on every control node. Its own nodes
forget where an alias stands and end a block where the next token starts; these do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml
from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import refuse
from yaml.composer import Composer
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import Resolver
from yaml.scanner import Scanner

MERGE = "<<"


@dataclass(eq=False)
class Node:
    """A value in a YAML text.

    Attributes:
        kind: `scalar`, `mapping`, `sequence` or `alias`.
        start: index of its first character, that of its anchor or tag if it has one.
        end: index after its last character; blank lines and comments after it do not count.
        line: 1-based.
        flow: written with brackets or braces.
        anchor: the name that it defines; for an alias the name that it uses.
        tag: as written, e.g. `!reset`.
        value: a scalar's text.
        style: a scalar's quote or block indicator; empty for a plain one.
        entries: a mapping's keys with their values.
        items: a sequence's items.
        target: what an alias stands for.
    """

    kind: str
    start: int
    end: int
    line: int
    flow: bool = False
    anchor: str | None = None
    tag: str | None = None
    value: str = ""
    style: str = ""
    entries: list[Entry] = field(default_factory=list)
    items: list[Node] = field(default_factory=list)
    target: Node | None = None

    @property
    def resolved(self) -> Node:
        """The node itself, or what it stands for when it is an alias."""
        return self.target if self.target is not None else self

    @property
    def null(self) -> bool:
        """Whether it is written as nothing, `~` or `null`."""
        return self.kind == "scalar" and not self.style and self.value in ("", "~", "null")

    def entry(self, key: str) -> Entry | None:
        """The entry of a mapping's own key, without what it merges."""
        for entry in self.entries:
            if entry.key.value == key:
                return entry
        return None

    def walk(self) -> Iterator[Node]:
        """The node and all that stand inside it in the text; aliases are not followed."""
        yield self
        for entry in self.entries:
            yield from entry.key.walk()
            yield from entry.value.walk()
        for item in self.items:
            yield from item.walk()


@dataclass(eq=False)
class Entry:
    """A key of a mapping with its value."""

    key: Node
    value: Node

    @property
    def start(self) -> int:
        """Index of the key's first character."""
        return self.key.start

    @property
    def end(self) -> int:
        """Index after the value's last character."""
        return max(self.key.end, self.value.end)


class _Loader(Reader, Scanner, Parser, Composer, Resolver):
    """PyYAML's reader with the tabs that Compose's own reader allows between tokens."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        Resolver.__init__(self)

    def scan_to_next_token(self) -> None:
        if self.index == 0 and self.peek() == "\ufeff":
            self.forward()
        while True:
            while self.peek() == " " or (
                self.peek() == "\t" and (self.flow_level or not self.allow_simple_key)
            ):
                self.forward()
            if self.peek() == "#":
                while self.peek() not in "\0\r\n\x85\u2028\u2029":
                    self.forward()
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True


class _Builder:
    """Makes nodes of PyYAML's events."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.loader = _Loader(text)
        self.anchors: dict[str, Node] = {}

    def documents(self) -> list[Node]:
        roots = []
        while self.loader.check_event():
            event = self.loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                self.anchors = {}
                roots.append(self.node(self.loader.get_event()))
        return roots

    def node(self, event: yaml.Event) -> Node:
        line = event.start_mark.line + 1
        node = Node("scalar", event.start_mark.index, event.end_mark.index, line)
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                raise refuse(
                    self.name,
                    line,
                    f"`*{event.anchor}` stands for nothing",
                    f"an anchor `&{event.anchor}` above it",
                    "Define the anchor or correct the name",
                )
            node.kind, node.anchor = "alias", event.anchor
            node.target = self.anchors[event.anchor]
            return node
        node.anchor, node.tag = event.anchor, event.tag
        if isinstance(event, yaml.ScalarEvent):
            node.value, node.style = event.value, event.style or ""
            if node.style in "|>" and node.style:
                node.end = node.start + len(self.text[node.start : node.end].rstrip())
        elif isinstance(event, yaml.SequenceStartEvent):
            node.kind = "sequence"
            self.collect(node, event)
        else:
            node.kind = "mapping"
            self.collect(node, event)
        if node.anchor:
            self.anchors[node.anchor] = node
        return node

    def collect(self, node: Node, event: yaml.CollectionStartEvent) -> None:
        node.flow = bool(event.flow_style)
        if node.anchor:
            self.anchors[node.anchor] = node
        seen: dict[str, int] = {}
        while True:
            event = self.loader.get_event()
            if isinstance(event, yaml.CollectionEndEvent):
                break
            if node.kind == "sequence":
                node.items.append(self.node(event))
                node.end = max(node.end, node.items[-1].end)
                continue
            key = self.node(event)
            entry = Entry(key, self.node(self.loader.get_event()))
            if key.kind == "scalar" and key.value in seen:
                raise refuse(
                    self.name,
                    key.line,
                    f"the key `{key.value}` stands here and in line {seen[key.value]}",
                    "each key once",
                    "Keep one of the two",
                )
            seen[key.value] = key.line
            node.entries.append(entry)
            node.end = max(node.end, entry.end)
        if node.flow:
            node.end = event.end_mark.index


def parse(name: str, text: str) -> list[Node]:
    """The documents of a YAML text, one node each.

    Args:
        name: the file's name, for findings.
        text: its content, newlines as they are.

    Raises:
        Refusal: it is no YAML, uses an undefined alias or has a key twice.
    """
    try:
        return _Builder(name, text).documents()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise refuse(
            name,
            mark.line + 1 if mark else 0,
            f"this is no YAML: {what}",
            "a YAML file that Compose can read",
            "Correct the line",
        ) from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0) or 0
        raise refuse(
            name,
            text.count("\n", 0, position) + 1,
            f"this is no YAML: {getattr(error, 'reason', 'it cannot be read')}",
            "a YAML file that Compose can read",
            "Remove the character",
        ) from None
    except RecursionError:
        raise refuse(name, 0, "the file is nested too deeply", "a Compose file") from None


def effective(mapping: Node, key: str) -> tuple[Entry, Node] | None:
    """A key's entry with the mapping that holds it, its own or one that is merged into it.

    Follows YAML's rule: own keys win over merged ones, earlier merges over later ones.
    """
    mapping = mapping.resolved
    own = mapping.entry(key)
    if own is not None:
        return own, mapping
    for merged in merged_mappings(mapping):
        found = effective(merged, key)
        if found is not None:
            return found
    return None


def merged_mappings(mapping: Node) -> list[Node]:
    """The mappings that a mapping merges by `<<`, in order, aliases followed."""
    entry = mapping.resolved.entry(MERGE)
    if entry is None:
        return []
    value = entry.value.resolved
    nodes = value.items if value.kind == "sequence" else [value]
    return [node.resolved for node in nodes if node.resolved.kind == "mapping"]
