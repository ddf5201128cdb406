"""Tables and figures as text."""

from __future__ import annotations

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.text_table import (
    cell,
    findings,
    is_figure,
    percent,
    seconds,
    size,
    text_table,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (0, "0"),
        (True, "yes"),
        (False, "no"),
        (1.25, "1.2"),
        ([], "-"),
        (["celery", "django_q"], "celery, django_q"),
        ("two\nlines  of", "two lines of"),
    ],
)
def test_a_value_is_one_line(value: object, text: str) -> None:
    assert cell(value) == text


@pytest.mark.parametrize(
    ("text", "figure"),
    [
        ("12", True),
        ("3.5 s", True),
        ("98.0 %", True),
        ("12.0 MiB", True),
        ("2026-01-01 06:00", False),
        ("12 containers", False),
        ("web", False),
    ],
)
def test_a_figure_is_a_number_with_at_most_a_short_unit(text: str, figure: bool) -> None:
    assert is_figure(text) is figure


def test_words_to_the_left_figures_to_the_right() -> None:
    text = text_table(
        [["web", "9.0 MiB", 1], ["celery_worker", "112.0 MiB", 12], ["all", None, None]],
        ["service", "memory", "n"],
        "Services",
    )
    assert text.splitlines() == [
        "Services",
        "service           memory   n",
        "-------------  ---------  --",
        "web              9.0 MiB   1",
        "celery_worker  112.0 MiB  12",
        "all                    -   -",
    ]


def test_no_line_ends_in_a_blank_so_that_yaml_keeps_the_block() -> None:
    text = text_table([["a", ""], ["b", "c"]], ["name", "a long header"], "T")
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_long_cell_is_cut() -> None:
    text = text_table([["x" * 100]], ["name"], width=20)
    assert text.splitlines()[-1] == "x" * 17 + "..."


def test_a_table_without_rows_says_so() -> None:
    assert text_table([], ["name"], "Queues") == "Queues\n(none)"


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "-"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (73400320, "70.0 MiB"),
        (5 * 1024**4, "5.0 TiB"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert size(count) == text


def test_shares_and_spans() -> None:
    assert percent(0.985) == "98.5 %"
    assert percent(None) == "-"
    assert seconds(0.25) == "0.2 s"
    assert seconds(None) == "-"


def test_findings_name_all_three_parts() -> None:
    text = findings(
        [
            {"found": "a", "expected": "b", "fix": "c"},
            {"found": "d", "expected": "e", "fix": "f"},
        ],
        "air_risk is not as it should be",
    )
    assert text.splitlines() == [
        "air_risk is not as it should be: 2 findings",
        "1. found:    a",
        "   expected: b",
        "   do:       c",
        "2. found:    d",
        "   expected: e",
        "   do:       f",
    ]
