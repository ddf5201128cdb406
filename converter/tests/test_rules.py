"""Runs every rule's own table: what it must find, make and leave alone."""

from pathlib import Path

import pytest

from celery2q.config import Config
from celery2q.context import Context, Example, Rule, all_rules
from celery2q.engine import convert, lint
from celery2q.sources import Source, Tree

ROWS = [
    pytest.param(rule, example, id=f"{rule.id}: {example.title}")
    for rule in all_rules()
    for example in rule.examples
]


def tree_of(files: dict[str, str]) -> Tree:
    """A tree in memory."""
    return Tree(Path("/nowhere"), {path: Source(path, text) for path, text in files.items()})


def test_every_rule_is_documented_and_has_a_table():
    for rule in all_rules():
        assert rule.summary.endswith("."), rule.id
        assert any(example.finds for example in rule.examples), f"{rule.id} finds nothing"
        assert any(not example.finds for example in rule.examples), f"{rule.id} leaves nothing"


@pytest.mark.parametrize(("rule", "example"), ROWS)
def test_finds(rule: Rule, example: Example):
    found = lint(Context(tree_of(example.files), Config()), [rule])
    assert tuple(f"{item.path}:{item.line}" for item in found) == example.finds
    assert {item.rule for item in found} <= {rule.id}


@pytest.mark.parametrize(("rule", "example"), ROWS)
def test_converts(rule: Rule, example: Example):
    result = convert(tree_of(example.files), Config(), [rule])
    assert result.problems == []
    made = {path: text for path, text in result.changes.items() if not path.endswith("q_tasks.py")}
    assert made == example.after
    again = convert(result.before.with_changes(result.changes), Config(), [rule])
    assert again.changes == {}
