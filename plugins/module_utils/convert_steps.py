# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A conversion step by step: `celery2q convert` for each kind of change, a commit for each."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils.convert_git import (
    BASE_TRAILER,
    TOOL_TRAILER,
    ConvertError,
    Repository,
)

# The kinds of change in the order that celery2q wants, with the subject of the commit.
SUBJECTS = {
    "calls": "Send tasks through Django-Q2",
    "schedules": "Keep the schedule in the command setup_schedules",
    "settings": "Configure Django-Q2 in place of Celery",
    "tasks": "Make the tasks plain functions",
    "requirements": "Require django-q2 in place of celery",
}
INSTALL = (
    "`pip install ./converter` in a checkout of this project installs it, or say where it is in "
    "convert_executable."
)


@dataclass(frozen=True)
class Converter:
    """The program celery2q with a project's choices.

    Attributes:
        executable: its path.
        options: what `convert` is given beside the path and the form of the report.
        timeout: seconds for each run.
    """

    executable: str
    options: tuple[str, ...]
    timeout: int

    def version(self) -> str:
        """Its name and version.

        Raises:
            ConvertError: it is not there.
        """
        if not (os.path.isfile(self.executable) and os.access(self.executable, os.X_OK)):
            raise ConvertError(
                f"convert_executable: there is no program {self.executable} on the control node. "
                + INSTALL
            )
        version = self._run("--version").strip()
        if not version.startswith("celery2q "):
            raise ConvertError(
                f"convert_executable: {self.executable} is not celery2q: it says "
                f"{version[:60]!r}. {INSTALL}"
            )
        return version

    def convert(self, folder: str, *options: str) -> dict[str, Any]:
        """Run `convert` in a folder and return its report.

        Raises:
            ConvertError: it could not do its work.
        """
        text = self._run("convert", folder, "--format", "json", *self.options, *options)
        try:
            return json.loads(text)
        except ValueError:
            raise ConvertError(f"{self.executable} printed no report: {text[:80]!r}.") from None

    def _run(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                [self.executable, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self.timeout,
                check=False,
                text=True,
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise ConvertError(
                f"`celery2q {arguments[0]}` took longer than {self.timeout} s and was given up; "
                "raise convert_timeout."
            ) from None
        except OSError as error:
            raise ConvertError(
                f"convert_executable: {self.executable} cannot be run: {error.strerror}. {INSTALL}"
            ) from None
        # 1 says that findings are left, which is a result.
        if done.returncode not in (0, 1) or not done.stdout:
            said = "; ".join(done.stderr.strip().splitlines()[-4:]) or "it said nothing"
            raise ConvertError(
                f"`celery2q {arguments[0]}` ended with status {done.returncode}: {said}."
            )
        return done.stdout


@dataclass
class Steps:
    """What a conversion made in its clone.

    Attributes:
        commits: [{sha, kind, subject, files, settled}].
        findings: what is left of it: [{rule, level, path, line, column, message, fix}].
        skipped: inputs that could not be read: [{path, reason}].
        settled: findings that were settled, by rule.
        report: the Markdown for the reviewer.
    """

    commits: list[dict[str, Any]] = field(default_factory=list)
    findings: list[dict[str, Any]] = field(default_factory=list)
    skipped: list[dict[str, str]] = field(default_factory=list)
    settled: dict[str, int] = field(default_factory=dict)
    report: str = ""

    def level(self, word: str) -> list[dict[str, Any]]:
        """The findings of one level."""
        return [item for item in self.findings if item["level"] == word]


def message(kind: str, settled: dict[str, int], base: str, tool: str) -> str:
    """The text of one step's commit."""
    lines = [SUBJECTS[kind], ""]
    lines += [f"- {rule}: {count}" for rule, count in settled.items()]
    return "\n".join([*lines, "", f"{BASE_TRAILER}: {base}", f"{TOOL_TRAILER}: {tool}", ""])


def take_steps(
    converter: Converter, clone: Repository, folder: str, base: str, tool: str, scratch: str
) -> Steps:
    """Convert a clone kind by kind, with a commit for each kind that changes something.

    Args:
        folder: the part of the tree that is converted, "" for all of it.
        base: the commit that is checked out.
        tool: what the commits say that they were made by.
        scratch: a file for the report, which is made.

    Raises:
        ConvertError: celery2q or Git failed.
    """
    place = os.path.join(clone.folder, folder) if folder else clone.folder
    if not os.path.isdir(place):
        raise ConvertError(f"convert_dir: the commit {base[:12]} has no folder {folder!r}.")
    whole = converter.convert(place, "--report", scratch)
    with open(scratch, encoding="utf-8") as stream:
        report = stream.read()
    steps = Steps([], whole["findings"], whole["skipped"], whole["settled_counts"], report)
    for kind, subject in SUBJECTS.items():
        done = converter.convert(place, "--kind", kind, "--write")
        written = [f"{folder}/{path}" if folder else path for path in done["written"]]
        if not written:
            continue
        sha = clone.commit_paths(written, message(kind, done["settled_counts"], base, tool))
        steps.commits.append(
            {
                "sha": sha,
                "kind": kind,
                "subject": subject,
                "files": len(written),
                "settled": sum(done["settled_counts"].values()),
            }
        )
    return steps


def whole_report(steps: Steps, branch: str, base: str, tool: str) -> str:
    """The Markdown for the reviewer: celery2q's, with the branch and its commits."""
    lines = [
        "## Commits",
        "",
        f"Branch `{branch}`, from `{base}`, by {tool}.",
        "",
        "| commit | what | files | findings settled |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| `{item['sha'][:12]}` | {item['subject']} | {item['files']} | {item['settled']} |"
        for item in steps.commits
    ]
    return steps.report.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n"
