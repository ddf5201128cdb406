"""The command `celery2q`."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from celery2q import __version__, report
from celery2q.config import ConfigError, load
from celery2q.context import KINDS, Context, all_rules
from celery2q.engine import Conversion, convert, lint, write
from celery2q.findings import Level
from celery2q.sources import Tree, inputs, read_tree

CLEAN, FOUND, USAGE = 0, 1, 2


class UsageError(Exception):
    """The command cannot do what it was asked; the sentence says why."""


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Returns:
        0 nothing of error level left, 1 findings left, 2 usage or unreadable input.
    """
    arguments = _parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except (UsageError, ConfigError) as error:
        print(f"celery2q: {error}", file=sys.stderr)
        return USAGE
    except BrokenPipeError:
        return FOUND


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="celery2q",
        description="Take a Django project from Celery to Django-Q2; find what was left behind.",
    )
    parser.add_argument("--version", action="version", version=f"celery2q {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    one = commands.add_parser("convert", help="change the code (shows a diff without --write)")
    one.add_argument("path", type=Path)
    one.add_argument("--write", action="store_true", help="write the changes")
    one.add_argument("--format", choices=("text", "json", "diff", "markdown"), default=None)
    one.add_argument("--kind", choices=KINDS, default="", help="only changes of one kind, in order")
    one.add_argument(
        "--queue",
        action="append",
        default=[],
        metavar="QUEUE=CLUSTER",
        help="the cluster that serves a Celery queue; QUEUE= for the default one",
    )
    one.add_argument("--one-cluster", action="store_true", help="all queues to the default cluster")
    one.add_argument("--archive", action="store_true", help="rename celery.py, do not remove it")
    one.add_argument(
        "--report", type=Path, metavar="FILE", help="write the Markdown report there as well"
    )
    one.set_defaults(run=_convert)

    two = commands.add_parser("lint", help="find what breaks or differs under Django-Q2")
    two.add_argument("path", type=Path)
    two.add_argument("--format", choices=("text", "json", "sarif"), default="text")
    two.add_argument("--no-notes", action="store_true", help="do not list notes one by one")
    two.add_argument("--statistics", action="store_true", help="say how fast it was")
    two.set_defaults(run=_lint)

    three = commands.add_parser("schedules", help="beat's schedule as Django-Q2's")
    three.add_argument("path", type=Path)
    three.add_argument("--format", choices=("json", "python"), default="json")
    three.set_defaults(run=_schedules)

    four = commands.add_parser("rules", help="list the rules, or explain one")
    four.add_argument("rule", nargs="?")
    four.set_defaults(run=_rules)

    five = commands.add_parser(
        "describe", help="say in JSON which version this is, its rules, and which files it reads"
    )
    five.set_defaults(run=_describe)
    return parser


def _read(path: Path) -> Tree:
    try:
        tree = read_tree(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; give a folder") from error
    if not tree.files:
        names = "; ".join(f"{item.path}: {item.reason}" for item in tree.problems[:3])
        raise UsageError(f"nothing could be read in {path}" + (f" ({names})" if names else ""))
    return tree


def _convert(arguments: argparse.Namespace) -> int:
    clusters = {}
    for pair in arguments.queue:
        queue, equals, cluster = pair.partition("=")
        if not equals:
            raise UsageError(f"--queue wants QUEUE=CLUSTER, found {pair!r}")
        clusters[queue] = cluster
    tree = _read(arguments.path)
    config = load(
        tree, clusters=clusters, one_cluster=arguments.one_cluster, archive=arguments.archive
    )
    result = convert(tree, config, kind=arguments.kind)
    written: list[str] = []
    if arguments.write:
        try:
            written = write(result)
        except OSError as error:
            raise UsageError(
                f"{error.filename}: {error.strerror}; nothing is half written"
            ) from error
    if arguments.report:
        try:
            arguments.report.write_text(report.markdown(result), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--report {arguments.report}: {error.strerror}") from error
    kind = arguments.format or ("text" if arguments.write else "diff")
    sys.stdout.write(_conversion_report(result, kind, written))
    return _status(result)


def _conversion_report(result: Conversion, kind: str, written: list[str]) -> str:
    if kind == "diff":
        return report.diff(result)
    left = [*result.notes, *result.left]
    if kind == "markdown":
        return report.markdown(result)
    if kind == "json":
        return report.as_json(
            left,
            result.problems,
            settled=[item.as_dict() for item in result.settled],
            settled_counts=report.by_rule(result.settled),
            notes=[item.as_dict() for item in result.notes],
            changed=sorted(result.changes),
            written=written,
        )
    head = f"{len(result.settled)} findings settled in {len(result.changes)} files"
    head += f", {len(written)} written\n" if written else "\n"
    return head + report.text(left, result.problems, notes=False)


def _status(result: Conversion) -> int:
    return FOUND if result.open_errors or result.problems else CLEAN


def _lint(arguments: argparse.Namespace) -> int:
    start = time.perf_counter()
    tree = _read(arguments.path)
    context = Context(tree, load(tree))
    findings = lint(context)
    seconds = time.perf_counter() - start
    if arguments.format == "json":
        output = report.as_json(findings, tree.problems, **_speed(context, seconds))
    elif arguments.format == "sarif":
        output = report.sarif(findings, tree.problems)
    else:
        output = report.text(findings, tree.problems, notes=not arguments.no_notes)
    sys.stdout.write(output)
    if arguments.statistics:
        speed = ", ".join(f"{name} {value}" for name, value in _speed(context, seconds).items())
        print(speed, file=sys.stderr)
    if tree.problems:
        return USAGE
    return FOUND if any(item.level is Level.ERROR for item in findings) else CLEAN


def _speed(context: Context, seconds: float) -> dict[str, float]:
    files = [source for source in context.tree.files.values() if source.is_python]
    lines = sum(source.text.count("\n") for source in files)
    return {
        "python_files": len(files),
        "python_lines": lines,
        "parsed_files": context.project.parsed,
        "seconds": round(seconds, 2),
        "files_per_second": round(len(files) / seconds) if seconds else 0,
        "lines_per_second": round(lines / seconds) if seconds else 0,
    }


def _schedules(arguments: argparse.Namespace) -> int:
    from celery2q.schedules.command import run

    return run(arguments.path, arguments.format, _read)


def _rules(arguments: argparse.Namespace) -> int:
    rules = all_rules()
    if arguments.rule is None:
        for rule in rules:
            print(f"{rule.id:24} {rule.summary}")
        return CLEAN
    for rule in rules:
        if rule.id == arguments.rule:
            print(rule.doc.strip())
            for example in rule.examples:
                print(f"\n  - {example.title}")
            return CLEAN
    raise UsageError(f"no rule {arguments.rule!r}; `celery2q rules` lists them")


def _describe(arguments: argparse.Namespace) -> int:
    rules = {rule.id: rule.summary for rule in all_rules()}
    document = {"version": __version__, "rules": rules, "reads": inputs()}
    print(json.dumps(document, indent=2))
    return CLEAN
