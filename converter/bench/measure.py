"""Measure a conversion of a real project; prints one JSON document (and, with --keep, the tree).

    python converter/bench/measure.py SOURCE_FOLDER [--keep FOLDER]

Counts with regular expressions of its own, not with the converter's index: what it finds left in
the converted tree must be a line that a finding names.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEND = re.compile(r"\.(delay|apply_async|delay_on_commit)\b")
CALL = re.compile(r"\.(delay|apply_async|delay_on_commit)\s*\(")
TASK = re.compile(r"^\s*@(?:[\w.]*\.)?(?:shared_task|task)\b", re.MULTILINE)
LEFT = re.compile(
    r"celery|kombu|shared_task|\.apply_async\b|\.delay\(|delay_on_commit|\.update_state\(|"
    r"\.AsyncResult\b|\.apply\((?:args|kwargs|throw|$)|"
    r"(?<!super\(\))(?<!AppConfig)(?<!app_config)\.(?:ready|successful|failed|forget)\(\)|\.revoke\(terminate",
    re.IGNORECASE,
)
OURS = re.compile(r"celery2q|celery_task_names", re.IGNORECASE)
TEXTS = (
    ".py",
    ".txt",
    ".in",
    ".toml",
    ".cfg",
    ".ini",
    ".yml",
    ".yaml",
    ".html",
    ".conf",
    ".service",
)


def run(*arguments: str) -> tuple[str, float, int]:
    """Run the converter; give its output, its processor seconds and its exit status."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "celery2q", *arguments], capture_output=True, text=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode not in (0, 1, 2) or "Traceback" in done.stderr:
        raise SystemExit(done.stderr)
    return done.stdout, seconds, done.returncode


def python_files(root: Path) -> dict[str, bytes]:
    """Every Python file, generated ones left out."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*.py"))
        if path.is_file() and not path.is_symlink()
    }


def statements(data: bytes) -> list[bytes]:
    """The source of each top-level statement."""
    tree = ast.parse(data)
    lines = data.splitlines(keepends=True)
    found = []
    for node in tree.body:
        first = min([node.lineno, *(item.lineno for item in getattr(node, "decorator_list", ()))])
        found.append(b"".join(lines[first - 1 : node.end_lineno]).strip())
    return found


def formatting(before: dict[str, bytes], after: dict[str, bytes]) -> tuple[int, int, list[str]]:
    """Files unchanged, files changed, and top-level statements that changed without a reason.

    A statement has a reason when it is an import or names a task, a setting or Celery.
    """
    same = changed = 0
    odd = []
    reason = re.compile(
        rb"import|celery|CELERY|task|delay|apply_async|INSTALLED_APPS|Q_CLUSTER|__all__|\bchain\b"
    )
    for path, data in before.items():
        if after.get(path) == data:
            same += 1
            continue
        changed += 1
        if path not in after:
            continue
        new = set(statements(after[path]))
        odd += [
            f"{path}: {text[:60]!r}"
            for text in statements(data)
            if text not in new and not reason.search(text)
        ]
    return same, changed, odd


def sends(files: dict[str, bytes]) -> tuple[int, list[str]]:
    """Calls and uncalled references of sending methods, by a regular expression."""
    calls, references = 0, []
    for path, data in files.items():
        for number, line in enumerate(data.decode(errors="replace").splitlines(), 1):
            code = line.split("#")[0]
            if "def " in code or "super(" in code:
                continue
            calls += len(CALL.findall(code))
            if SEND.search(code):
                references.append(f"{path}:{number}: {line.strip()[:90]}")
    return calls, references


def unaccounted(root: Path, findings: list[dict], generated: set[str]) -> tuple[int, list[str]]:
    """Lines of the tree that name Celery or send a task, and those no finding stands on."""
    known = {(item["path"], item["line"]) for item in findings}
    total, missing = 0, []
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not path.is_file() or path.is_symlink() or path.suffix not in TEXTS:
            continue
        if name in generated or ".egg-info/" in f"{name}" or "CHANGE" in name.upper():
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if LEFT.search(OURS.sub("", line)):
                total += 1
                if (name, number) not in known:
                    missing.append(f"{name}:{number}: {line.strip()[:90]}")
    return total, missing


def main() -> None:
    """Convert a copy, twice, and say what is true of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    folder = arguments.keep or Path(tempfile.mkdtemp()) / arguments.source.name
    shutil.copytree(arguments.source, folder, symlinks=True, dirs_exist_ok=True)
    before = python_files(folder)
    started = time.perf_counter()
    output, seconds, status = run("convert", str(folder), "--write", "--format", "json")
    wall = time.perf_counter() - started
    report = json.loads(output)
    after = python_files(folder)
    broken = []
    for path, data in after.items():
        try:
            ast.parse(data)
        except SyntaxError:
            try:
                ast.parse(before.get(path, b""))
            except SyntaxError:
                continue
            broken.append(path)
    second, _, _ = run("convert", str(folder), "--format", "diff")
    lint, lint_seconds, _ = run("lint", str(folder), "--format", "json")
    found = json.loads(lint)
    generated = set(report["changed"]) - set(before)
    same, changed, odd = formatting(before, after)
    calls_before, _ = sends(before)
    kept = {path: data for path, data in after.items() if path not in generated}
    calls_after, left = sends(kept)
    total, missing = unaccounted(folder, found["findings"], generated)
    document = {
        "project": arguments.source.name,
        "python_files": len(before),
        "lines": sum(data.count(b"\n") for data in before.values()),
        "tasks_by_grep": sum(
            len(TASK.findall(data.decode(errors="replace"))) for data in before.values()
        ),
        "calls_by_grep": calls_before,
        "calls_left_by_grep": calls_after,
        "left": left,
        "converted_percent": round(100 * (1 - calls_after / calls_before), 1)
        if calls_before
        else 100,
        "status": status,
        "settled": report["settled_counts"],
        "findings_after": found["counts"],
        "notes_of_the_conversion": len(report["notes"]),
        "skipped": report["skipped"],
        "files_byte_identical": same,
        "files_changed": changed,
        "files_generated": sorted(generated),
        "statements_changed_without_reason": odd,
        "files_that_do_not_parse": broken,
        "second_run_changes": len(second.splitlines()),
        "celery_lines_left_by_grep": total,
        "celery_lines_without_finding": missing,
        "convert_cpu_seconds": round(seconds, 1),
        "convert_wall_seconds": round(wall, 1),
        "lint_cpu_seconds": round(lint_seconds, 1),
    }
    print(json.dumps(document, indent=2))


if __name__ == "__main__":
    main()
