"""Runs of Molecule that look fine and are not: what the judge says of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed import checks, molecule_log

CONFIG = """\
scenario:
  test_sequence:
    - create
    - verify tests/before  # a comment
    - converge
    - verify tests/after
    - destroy
"""
RECAP = "default : actions=5 successful=5 disabled=0 skipped=0 missing=0 failed=0\n"
TWO_RUNS = (
    "===== 2 passed in 1.20s =====\n..\n===== 3 passed, 1 skipped in 61.02s (0:01:01) =====\n"
)


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """A scenario with two test folders, of two and of three test functions."""
    (tmp_path / "molecule.yml").write_text(CONFIG)
    for name, count in (("before", 2), ("after", 3)):
        folder = tmp_path / "tests" / name
        folder.mkdir(parents=True)
        tests = "\n".join(f"def test_{i}(): pass" for i in range(count))
        (folder / "test_it.py").write_text(f"def helper(): pass\n{tests}\n")
    return tmp_path


def test_expected_tests_per_verify_step(scenario: Path) -> None:
    assert molecule_log.expected_tests(scenario) == [("tests/before", 2), ("tests/after", 3)]


def test_a_good_run_counts_actions_and_tests(scenario: Path) -> None:
    assert molecule_log.judge(scenario)(0, TWO_RUNS + RECAP) == (10, 0, "")


@pytest.mark.parametrize(
    ("code", "output", "words"),
    [
        (0, TWO_RUNS + RECAP.replace("missing=0", "missing=1"), "1 actions missing"),
        (0, TWO_RUNS, "no recap"),
        (0, "===== 2 passed in 1.20s =====\n" + RECAP, "2 verify steps, but 1 ran tests"),
        (0, TWO_RUNS.replace("3 passed", "2 passed") + RECAP, "tests/after: 2 tests passed of at"),
        (0, "\n" + RECAP, "2 verify steps, but 0 ran tests"),
        (2, TWO_RUNS + RECAP, "exit code 2"),
    ],
)
def test_false_greens(scenario: Path, code: int, output: str, words: str) -> None:
    _, failed, note = molecule_log.judge(scenario)(code, output)
    assert failed == 1
    assert words in note


def test_failing_tests_and_actions_are_counted(scenario: Path) -> None:
    output = "== 1 failed, 1 passed, 2 errors in 3.00s ==\n" + RECAP.replace("failed=0", "failed=1")
    assert molecule_log.judge(scenario)(1, output)[:2] == (6, 4)


def test_colours_do_not_matter(scenario: Path) -> None:
    coloured = f"\x1b[32m{TWO_RUNS}\x1b[0m\x1b[1m{RECAP}\x1b[0m"
    assert molecule_log.judge(scenario)(0, coloured)[1] == 0


def test_methods_count_as_tests_and_helpers_do_not() -> None:
    source = "class TestIt:\n    def test_a(self): ...\n    def helper(self): ...\n"
    assert molecule_log.count_tests(source) == 1


def test_slow_tests_count_only_when_they_are_asked_for() -> None:
    slow = "@pytest.mark.slow\ndef test_a():\n    assert 1\n\n\n"
    source = slow + "def test_b():\n    assert 1\n"
    assert molecule_log.count_tests(source) == 1
    assert molecule_log.count_tests(source, slow=True) == 2


def test_junit_counts_leave_skipped_ones_out() -> None:
    text = '<testsuites><testsuite tests="9" failures="2" errors="1" skipped="3"/></testsuites>'
    assert checks.junit_counts(text) == (3, 3)
