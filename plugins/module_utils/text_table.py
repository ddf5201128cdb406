# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Tables and figures as plain text for a screen: no trailing blanks, numbers to the right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

# What stands where there is no value.
NOTHING = "-"
GAP = "  "


def cell(value: Any) -> str:
    """A value as a table shows it: one line, `-` for nothing."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1f}"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or NOTHING
    return " ".join(str(value).split())


def to_the_right(values: Iterable[Any]) -> bool:
    """Whether a column holds numbers (or figures with a unit) and nothing else."""
    found = [str(value) for value in values if value not in (None, "", NOTHING)]
    return bool(found) and all(
        text.lstrip("+-")[:1].isdigit() and is_figure(text) for text in found
    )


def is_figure(text: str) -> bool:
    """Whether a text is a number, alone or followed by one short unit: `12`, `3.5 s`, `98 %`."""
    number, _blank, unit = text.partition(" ")
    try:
        float(number)
    except ValueError:
        return False
    return len(unit) <= 3 and not any(sign.isdigit() for sign in unit)


def text_table(
    rows: Iterable[Sequence[Any]], headers: Sequence[str], title: str = "", width: int = 60
) -> str:
    """Rows as text in columns under their headers.

    Args:
        rows: one sequence a row, of as many values as there are headers; see `cell`.
        headers: the columns' names.
        title: a line above the table; "" for none.
        width: the most characters of one cell; what is longer ends in `...`.

    Returns:
        Lines joined by line feeds, none at the end. Without rows it says so under the title.
    """
    rows = [list(row) for row in rows]
    lines = [title] if title else []
    if not rows:
        return "\n".join([*lines, "(none)"])
    texts = [[cell(value) for value in row] for row in rows]
    texts = [
        [text if len(text) <= width else text[: width - 3] + "..." for text in row] for row in texts
    ]
    right = [to_the_right(row[index] for row in rows) for index in range(len(headers))]
    widths = [
        max(len(header), *(len(row[index]) for row in texts))
        for index, header in enumerate(headers)
    ]

    def line(values: Sequence[str]) -> str:
        aligned = (
            value.rjust(size) if flush else value.ljust(size)
            for value, size, flush in zip(values, widths, right)
        )
        return GAP.join(aligned).rstrip()

    rule = GAP.join("-" * size for size in widths)
    return "\n".join([*lines, line(headers), rule, *(line(row) for row in texts)])


def size(count: float | None) -> str:
    """A number of bytes for people: `12.3 MiB`; `-` for None."""
    if count is None:
        return NOTHING
    amount = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(amount) < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


def percent(share: float | None) -> str:
    """A share of 1 as `98.5 %`; `-` for None."""
    return NOTHING if share is None else f"{share * 100:.1f} %"


def seconds(value: float | None) -> str:
    """A span of seconds: `3.2 s`; `-` for None."""
    return NOTHING if value is None else f"{value:.1f} s"


def findings(problems: Sequence[dict[str, Any]], headline: str) -> str:
    """Findings as text, all of them, each with what was found, what was expected, what to do.

    Args:
        problems: {found, expected, fix}, as the preflight and `verify` make them.
        headline: what they are about; their number is put after it.
    """
    count = len(problems)
    lines = [f"{headline}: {count} finding{'' if count == 1 else 's'}"]
    for number, item in enumerate(problems, start=1):
        mark = f"{number}.".ljust(len(str(count)) + 2)
        lines += [
            f"{mark}found:    {item['found']}",
            f"{'':{len(mark)}}expected: {item['expected']}",
            f"{'':{len(mark)}}do:       {item['fix']}",
        ]
    return "\n".join(lines)
