"""All checks of the checkout, and one line that says how many passed and failed.

Tools that look fine while they did nothing are not believed: every step says how much it ran,
and a step that ran nothing has failed.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from testbed import engine, molecule_log, refs, venv
from testbed.console import TestbedError, run, say
from testbed.machine import ROOT

RESULTS = ROOT / ".cache/checks"
MOLECULE = ROOT / "molecule"
GATE = "tests/unit/test_argument_specs.py"
STEPS = ("lint", "unit", "molecule", "crash-sample")
#: What does not fit into the time of `make test`: run when it is named, and by `make test-all`.
SLOW_SCENARIOS = ("rabbitmq",)
#: The expression by which .config/molecule/config.yml selects tests; by default all but slow ones.
ALL_TESTS = {"CUTOVER_TESTS": "slow or not slow"}


@dataclass(frozen=True)
class Outcome:
    """What one step came to.

    Attributes:
        name: The step.
        passed: Number of tests (of a linter: 1 when it is content).
        failed: Number of tests that failed, errors included.
        seconds: How long it took.
        note: What went wrong beside failing tests.
    """

    name: str
    passed: int
    failed: int
    seconds: float
    note: str = ""


def check(steps: Sequence[str], scenario: str | None = None, slow: bool = False) -> int:
    """Set up, run the steps, print the summary.

    Args:
        steps: Some of `STEPS`; empty for all of them.
        scenario: The one Molecule scenario to run; all of them without it.
        slow: Run what is slow too: scenarios, and tests that are marked so.

    Returns:
        Exit code: 0 when everything passed.
    """
    wanted = [step for step in STEPS if step in (steps or STEPS)]
    venv.ensure()
    if set(wanted) != {"lint"}:
        engine.ensure()
    RESULTS.mkdir(parents=True, exist_ok=True)
    outcomes: list[Outcome] = []
    for name, command, judge in _plan(wanted, scenario, slow):
        outcomes.append(_measure(name, command, judge))
    _print(outcomes)
    failed = sum(outcome.failed for outcome in outcomes)
    print(f"{sum(outcome.passed for outcome in outcomes)} passed, {failed} failed", flush=True)
    return 1 if failed or not outcomes else 0


Judge = Callable[[int, str], tuple[int, int, str]]


def _plan(
    steps: Sequence[str], scenario: str | None, slow: bool
) -> list[tuple[str, _Command, Judge]]:
    plan: list[tuple[str, _Command, Judge]] = []
    if "lint" in steps:
        for name, command in (
            ("ruff", ["ruff", "check", "."]),
            ("yamllint", ["yamllint", "--strict", "."]),
            ("ansible-lint", ["ansible-lint"]),
        ):
            plan.append((name, _Command(command), _by_exit_code))
        plan.append(_pytest("defaults and argument_specs agree", [GATE]))
    if "unit" in steps:
        plan.append(_pytest("unit tests", ["tests/unit"]))
        if (ROOT / "converter/tests").is_dir():
            options = ["-c", "converter/pyproject.toml", "--rootdir=converter", "converter/tests"]
            plan.append(_pytest("unit tests of the converter", options))
        for ref in ("celery", "django-q"):
            plan.append((f"tests of the sample application ({ref})", _application(ref), _django))
    if "molecule" in steps:
        for folder in _scenarios(scenario, slow):
            # Without borders, so that lines of the output stay whole.
            options = ["--no-command-borders", "--scenario-name", folder.name]
            command = _Command(["molecule", "test", *options], env=ALL_TESTS if slow else {})
            judge = molecule_log.judge(folder, slow)
            plan.append((f"molecule {folder.name}", command, judge))
    if "crash-sample" in steps:
        command = _Command(["python", "-m", "testbed", "crash-matrix", "--sample"])
        plan.append(("sample of the crash matrix", command, crash_counts))
    return plan


@dataclass(frozen=True)
class _Command:
    arguments: Sequence[str]
    cwd: Path = ROOT
    before: Callable[[], None] | None = None
    env: Mapping[str, str] = field(default_factory=dict)


def _measure(name: str, command: _Command, judge: Judge) -> Outcome:
    """Run a command, its output on the screen as it comes, and judge the whole of it."""
    say(f"--- {name}")
    began = time.monotonic()
    try:
        if command.before:
            command.before()
        code, output = _run_seen(command)
        passed, failed, note = judge(code, output)
    except TestbedError as error:
        passed, failed, note = 0, 1, str(error)
    if passed == 0 and failed == 0:
        failed, note = 1, note or "ran nothing"
    return Outcome(name, passed, failed, time.monotonic() - began, note)


def _run_seen(command: _Command) -> tuple[int, str]:
    env = {
        **os.environ,
        "PATH": venv.path_with_venv(),
        "MOLECULE_GLOB": "molecule/*/molecule.yml",
        "PYTHONUNBUFFERED": "1",
        "VIRTUAL_ENV": str(venv.VENV),
        **command.env,
    }
    lines: list[str] = []
    with subprocess.Popen(
        list(command.arguments),
        cwd=command.cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line)
    return process.returncode, "".join(lines)


def _by_exit_code(code: int, _: str) -> tuple[int, int, str]:
    return (1, 0, "") if code == 0 else (0, 1, f"exit code {code}")


def _pytest(name: str, arguments: Sequence[str]) -> tuple[str, _Command, Judge]:
    report = RESULTS / f"{re.sub(r'[^a-z]+', '-', name.lower())}.xml"

    def judge(code: int, _: str) -> tuple[int, int, str]:
        if not report.is_file():
            return 0, 1, f"pytest left no report, exit code {code}"
        passed, failed = junit_counts(report.read_text(encoding="utf-8"))
        # Any other code than 0 and 1 means that pytest did not do what it was asked.
        note = "" if code == 0 or (code == 1 and failed) else f"exit code {code}"
        return passed, failed + (1 if note else 0), note

    command = ["pytest", "--quiet", "--tb=short", f"--junitxml={report}", *arguments]
    return name, _Command(command, before=lambda: report.unlink(missing_ok=True)), judge


def junit_counts(text: str) -> tuple[int, int]:
    """Numbers of tests that passed and failed in a JUnit report; skipped ones are neither."""
    passed = failed = 0
    for suite in ET.fromstring(text).iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        failed += bad
        passed += int(suite.get("tests", 0)) - bad - int(suite.get("skipped", 0))
    return passed, failed


def _application(ref: str) -> _Command:
    """The sample application's own tests, in a checkout of a ref."""
    tree = RESULTS / f"air_risk-{ref}"

    def check_out() -> None:
        run(["rm", "-rf", str(tree)])
        run(["git", "clone", "--quiet", "--branch", ref, str(refs.ensure()), str(tree)])

    arguments = ["python", "manage.py", "test", "--settings", "air_risk.settings_test"]
    return _Command(arguments, cwd=tree, before=check_out)


def _django(code: int, output: str) -> tuple[int, int, str]:
    ran = re.search(r"^Ran (\d+) tests? in", output, re.MULTILINE)
    if not ran:
        return 0, 1, f"no test ran, exit code {code}"
    parts = re.search(r"^FAILED \((.*)\)$", output, re.MULTILINE)
    counts = re.findall(r"(?:failures|errors)=(\d+)", parts[1]) if parts else []
    failed = sum(map(int, counts)) or (1 if code else 0)
    return int(ran[1]) - failed, failed, ""


def crash_counts(code: int, output: str) -> tuple[int, int, str]:
    """Each cell is a test; the last line of the matrix has the counts."""
    found = re.search(r"^(\d+) of (\d+) cells run.* (\d+) broken;.*$", output, re.MULTILINE)
    if not found:
        return 0, 1, f"no cell was run, exit code {code}"
    ran, wanted, broken = map(int, found.groups())
    failed = broken + wanted - ran
    return ran - broken, failed or (1 if code else 0), found[0]


def _scenarios(only: str | None, slow: bool) -> list[Path]:
    found = sorted(path.parent for path in MOLECULE.glob("*/molecule.yml"))
    if not only and not slow:
        found = [folder for folder in found if folder.name not in SLOW_SCENARIOS]
    if only:
        found = [folder for folder in found if folder.name == only]
    if not found:
        raise TestbedError(f"no Molecule scenario {only or ''} under {MOLECULE.relative_to(ROOT)}/")
    # The main job first.
    return sorted(found, key=lambda folder: (folder.name != "default", folder.name))


def _print(outcomes: Sequence[Outcome]) -> None:
    width = max((len(outcome.name) for outcome in outcomes), default=0)
    print()
    for outcome in outcomes:
        line = f"{outcome.name:<{width}}  {outcome.passed:>5} passed {outcome.failed:>3} failed"
        print(f"{line} {outcome.seconds:>7.1f} s  {outcome.note}".rstrip())
    print(flush=True)
