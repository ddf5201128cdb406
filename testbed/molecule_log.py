"""What a run of ``molecule test`` really did, read from its output.

Molecule's exit code is 0 for a `side_effect` that has no playbook and for a `verify` that finds
no test. So its recap must list nothing as missing, and each `verify` of the sequence must have
run at least as many tests as its folder has test functions.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_PYTEST_SUMMARY = re.compile(r"^=*\s*((?:\d+ \w+,? ?)+) in [\d.]+s.*$", re.MULTILINE)
_VERIFY = re.compile(r"^\s*-\s+[\"']?verify(?:\s+(\S+?))?[\"']?\s*(?:#.*)?$", re.MULTILINE)


def judge(folder: Path, slow: bool = False) -> Callable[[int, str], tuple[int, int, str]]:
    """A function that judges the run of one scenario.

    Args:
        folder: The scenario's folder.
        slow: Whether the tests that are marked as slow were asked for too.

    Returns:
        A function of exit code and output, giving numbers of passed and failed (actions of the
        scenario and tests of its verifier), and what is wrong beside them.
    """
    expected = expected_tests(folder, slow)

    def judge_output(code: int, output: str) -> tuple[int, int, str]:
        text = _ANSI.sub("", output)
        recap = recap_counts(text)
        runs = verifier_runs(text)
        problems = []
        if code:
            problems.append(f"exit code {code}")
        if not recap:
            problems.append("no recap")
        for word in ("missing", "skipped"):
            if recap.get(word):
                problems.append(f"{recap[word]} actions {word}")
        if not code:
            problems += _shortfalls(expected, runs)
        passed = sum(run.get("passed", 0) for run in runs) + recap.get("successful", 0)
        failed = sum(run.get("failed", 0) + run.get("error", 0) for run in runs)
        failed += recap.get("failed", 0)
        return passed, failed or (1 if problems else 0), "; ".join(problems)

    return judge_output


def expected_tests(folder: Path, slow: bool = False) -> list[tuple[str, int]]:
    """The `verify` steps of a scenario's test sequence, each with its number of test functions.

    Args:
        folder: The scenario's folder; the steps name test folders relative to it.
        slow: Whether to count those that are marked as slow.
    """
    sequence = (folder / "molecule.yml").read_text(encoding="utf-8")
    steps = []
    for match in _VERIFY.finditer(sequence.partition("test_sequence:")[2]):
        name = match[1] or "tests"
        files = sorted((folder / name).rglob("test_*.py"))
        steps.append((name, sum(count_tests(path.read_text("utf-8"), slow) for path in files)))
    return steps


def count_tests(source: str, slow: bool = False) -> int:
    """Number of test functions in a file, methods of classes included.

    Args:
        source: The file's text.
        slow: Whether to count those with the decorator `pytest.mark.slow`.
    """
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return sum(
        isinstance(node, functions)
        and node.name.startswith("test_")
        and (slow or "pytest.mark.slow" not in map(ast.unparse, node.decorator_list))
        for node in ast.walk(ast.parse(source))
    )


def recap_counts(text: str) -> dict[str, int]:
    """The figures of the last scenario recap, such as ``{"actions": 9, "missing": 0}``."""
    lines = [line for line in text.splitlines() if re.search(r"\bactions=\d+", line)]
    figures = re.findall(r"(\w+)=(\d+)", lines[-1]) if lines else []
    return {name: int(count) for name, count in figures}


def verifier_runs(text: str) -> list[dict[str, int]]:
    """One dict per pytest summary in the output, such as ``{"passed": 12, "failed": 1}``."""
    return [
        {word.rstrip("s") if word == "errors" else word: int(count) for count, word in found}
        for found in (
            re.findall(r"(\d+) (\w+)", match[1]) for match in _PYTEST_SUMMARY.finditer(text)
        )
    ]


def _shortfalls(expected: list[tuple[str, int]], runs: list[dict[str, int]]) -> list[str]:
    if not expected:
        return ["the scenario's test sequence verifies nothing"]
    if len(runs) != len(expected):
        return [f"{len(expected)} verify steps, but {len(runs)} ran tests"]
    return [
        f"verify {name}: {run.get('passed', 0)} tests passed of at least {count}"
        for (name, count), run in zip(expected, runs, strict=True)
        if run.get("passed", 0) < max(count, 1)
    ]
