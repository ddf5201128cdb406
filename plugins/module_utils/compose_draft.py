# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A text and the changes that are to be made to it, each a range of its characters.

What is in no range stays as it is, to the byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import refuse
from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import Entry, Node

# A comment that is a setting put out of use (`# ports:`), not a remark on what follows.
_DISABLED = re.compile(r"#+\s*[\"']?[\w.-]+[\"']?:\s*$")


@dataclass
class Source:
    """A Compose file's text with its lines.

    Attributes:
        name: the file, as the project names it.
        text: its content; newlines as they are, one at the end added where it is missing.
        unended: whether it is missing.
    """

    name: str
    text: str
    unended: bool = field(init=False)
    starts: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.unended = bool(self.text) and not self.text.endswith("\n")
        if self.unended:
            self.text += self.newline
        self.starts = [0] + [match.end() for match in re.finditer("\n", self.text)]
        if self.starts[-1] == len(self.text) and len(self.starts) > 1:
            self.starts.pop()

    @property
    def newline(self) -> str:
        """The file's way to end a line: that of its first line."""
        first = self.text.find("\n")
        return "\r\n" if first > 0 and self.text[first - 1] == "\r" else "\n"

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self.starts)

    def line_of(self, index: int) -> int:
        """The 0-based number of the line that holds a character."""
        low, high = 0, len(self.starts)
        while high - low > 1:
            middle = (low + high) // 2
            if self.starts[middle] <= index:
                low = middle
            else:
                high = middle
        return low

    def line_end(self, line: int) -> int:
        """Index after a line's newline."""
        return self.starts[line + 1] if line + 1 < len(self.starts) else len(self.text)

    def line(self, number: int) -> str:
        """A line's text without its newline."""
        return self.text[self.starts[number] : self.line_end(number)].rstrip("\r\n")

    def column(self, index: int) -> int:
        """How many characters stand before a character in its line."""
        return index - self.starts[self.line_of(index)]

    def blank(self, number: int) -> bool:
        """Whether a line holds nothing but white space."""
        return not self.line(number).strip()

    def comment_column(self, number: int) -> int | None:
        """The column of `#` in a line that is a comment only; None for any other line."""
        line = self.line(number)
        stripped = line.lstrip()
        return len(line) - len(stripped) if stripped.startswith("#") else None

    def first_on_line(self, index: int, allowed: str = " \t\ufeff") -> bool:
        """Whether nothing but `allowed` stands before a character in its line."""
        return not self.text[self.starts[self.line_of(index)] : index].strip(allowed)

    def rest_is_blank(self, index: int) -> bool:
        """Whether nothing but white space or a comment follows in the line."""
        rest = self.text[index : self.line_end(self.line_of(max(index - 1, 0)))]
        return not rest.strip() or bool(re.match(r"\s*#", rest))

    def block_lines(self, start: int, end: int, column: int) -> tuple[int, int]:
        """The lines (first, after last) of a block with the comments that belong to it.

        Those are the comments directly above it in its own column, unless they are a setting
        put out of use, and the deeper comments that follow it.

        Raises:
            Refusal: it shares a line with something else.
        """
        first = self.line_of(start)
        last = self.line_of(max(start, end - 1))
        if not self.first_on_line(start, " \t\ufeff-") or not self.rest_is_blank(end):
            raise refuse(
                self.name,
                first + 1,
                "this shares a line with something else",
                "a line of its own",
                "Put it on a line of its own",
            )
        above = first
        while above > 0 and self.comment_column(above - 1) == column:
            above -= 1
        if not any(_DISABLED.match(self.line(n).strip()) for n in range(above, first)):
            first = above
        after = last + 1
        probe = after
        while probe < self.count:
            if self.blank(probe):
                probe += 1
                continue
            found = self.comment_column(probe)
            if found is None or found <= column:
                break
            probe += 1
            after = probe
        return first, after


@dataclass
class Draft:
    """The changes to a source: lines to take out, ranges to replace, text to put in."""

    source: Source
    dropped: set[int] = field(default_factory=set)
    replaced: list[tuple[int, int, str]] = field(default_factory=list)
    inserted: dict[int, list[str]] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        """Whether there is any change."""
        return bool(self.dropped or self.replaced or self.inserted)

    def drop_lines(self, first: int, after: int) -> None:
        """Take lines out, from `first` up to but not with `after`."""
        self.dropped.update(range(first, after))

    def replace(self, start: int, end: int, text: str) -> None:
        """Put `text` in the place of a range. The same replacement twice counts once."""
        if (start, end, text) not in self.replaced:
            self.replaced.append((start, end, text))

    def insert(self, line: int, text: str, first: bool = False) -> None:
        """Put whole lines before a line, after or (`first`) before those put there already.

        `line` may be the number of lines, for the end.
        """
        texts = self.inserted.setdefault(line, [])
        texts.insert(0 if first else len(texts), text)

    def drop_entry(self, mapping: Node, entry: Entry) -> None:
        """Take a key with its value out of a mapping, block or flow."""
        if mapping.flow:
            self._drop_flow([(e.start, e.end) for e in mapping.entries], [_at(mapping, entry)])
        else:
            column = self.source.column(entry.start)
            self.drop_lines(*self.source.block_lines(entry.start, entry.end, column))

    def drop_entries(self, mapping: Node, entries: list[Entry]) -> None:
        """Take several keys out of a mapping that keeps at least one."""
        if mapping.flow:
            ranges = [(e.start, e.end) for e in mapping.entries]
            self._drop_flow(ranges, [_at(mapping, entry) for entry in entries])
            return
        for entry in entries:
            self.drop_entry(mapping, entry)

    def drop_items(self, sequence: Node, items: list[Node]) -> None:
        """Take several items out of a sequence that keeps at least one."""
        if sequence.flow:
            ranges = [(item.start, item.end) for item in sequence.items]
            self._drop_flow(ranges, [sequence.items.index(item) for item in items])
            return
        text = self.source.text
        for item in items:
            before = text[: item.start].rstrip()
            if not before.endswith("-"):
                raise refuse(
                    self.source.name, item.line, "this list item's dash was not found", "`- name`"
                )
            dash = len(before) - 1
            column = self.source.column(dash)
            self.drop_lines(*self.source.block_lines(dash, item.end, column))

    def _drop_flow(self, ranges: list[tuple[int, int]], gone: list[int]) -> None:
        """Take members out of a flow collection of which at least one stays."""
        kept = [index for index in range(len(ranges)) if index not in gone]
        last_kept = kept[-1]
        for index in sorted(gone):
            if index > last_kept:
                break
            start, end = ranges[index]
            comma = self._comma(end)
            line = self.source.line_of(start)
            whole_lines = (
                self.source.first_on_line(start)
                and self.source.line_of(ranges[index + 1][0]) > self.source.line_of(comma)
                and self.source.rest_is_blank(comma + 1)
            )
            if whole_lines:
                self.drop_lines(line, self.source.line_of(comma) + 1)
            else:
                self.replace(start, ranges[index + 1][0], "")
        tail = [index for index in gone if index > last_kept]
        if not tail:
            return
        start, end = ranges[min(tail)][0], ranges[max(tail)][1]
        trailing = self._comma(end)
        close = trailing + 1 if trailing >= 0 else end
        if self.source.first_on_line(start) and self.source.rest_is_blank(close):
            if trailing < 0:
                comma = self._comma(ranges[last_kept][1])
                self.replace(comma, comma + 1, "")
            self.drop_lines(self.source.line_of(start), self.source.line_of(close - 1) + 1)
        else:
            self.replace(ranges[last_kept][1], end, "")

    def _comma(self, index: int) -> int:
        """The index of the comma that follows, over white space and comments; -1 for none."""
        text = self.source.text
        while index < len(text):
            if text[index] == ",":
                return index
            if text[index] == "#":
                index = self.source.line_end(self.source.line_of(index))
            elif text[index].isspace():
                index += 1
            else:
                break
        return -1

    def tidy(self) -> None:
        """Take the blank lines after a dropped run out too, where they would double others."""
        lines = sorted(self.dropped)
        runs = [n for n in lines if n + 1 not in self.dropped]
        for last in runs:
            after = last + 1
            if any(n in self.inserted for n in range(_run_start(self.dropped, last), after + 1)):
                continue
            before = _run_start(self.dropped, last) - 1
            while before >= 0 and before in self.dropped:
                before -= 1
            opens = before < 0 or re.match(r".*:\s*(?:&\S+\s*)?(?:#.*)?$", self.source.line(before))
            if after >= self.source.count:
                while before > 0 and self.source.blank(before):
                    self.dropped.add(before)
                    before -= 1
            elif self.source.blank(after) and (opens or self.source.blank(before)):
                while after < self.source.count and self.source.blank(after):
                    self.dropped.add(after)
                    after += 1

    def render(self, first: int = 0, after: int | None = None) -> str:
        """The text of a range of lines with the changes made.

        Raises:
            ValueError: two changes overlap: an error of this program.
        """
        source = self.source
        after = source.count if after is None else after
        low = source.starts[first] if first < source.count else len(source.text)
        high = source.starts[after] if after < source.count else len(source.text)
        changes = [
            (source.starts[n], source.line_end(n), "") for n in self.dropped if first <= n < after
        ]
        covered = set(self.dropped)
        for start, end, text in self.replaced:
            if low <= start and end <= high and source.line_of(start) not in covered:
                changes.append((start, end, text))
        for line, texts in self.inserted.items():
            if first <= line <= after:
                at = source.starts[line] if line < source.count else len(source.text)
                changes.append((at, at, "".join(texts)))
        changes.sort(key=lambda change: (change[0], change[1]))
        parts, at = [], low
        for start, end, text in changes:
            if start < at:
                raise ValueError(f"{source.name}: two changes overlap at character {start}")
            parts += [source.text[at:start], text]
            at = end
        parts.append(source.text[at:high])
        return "".join(parts)

    def result(self) -> str:
        """The whole text with the changes made; a missing final newline stays missing."""
        self.tidy()
        text = self.render()
        if self.source.unended and text.endswith(self.source.newline):
            text = text[: -len(self.source.newline)]
        return text


def _run_start(lines: set[int], last: int) -> int:
    """The first line of the run of lines that ends with `last`."""
    while last - 1 in lines:
        last -= 1
    return last


def _at(mapping: Node, entry: Entry) -> int:
    """Where an entry stands in its mapping."""
    return mapping.entries.index(entry)
