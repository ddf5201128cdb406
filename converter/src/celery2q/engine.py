"""Running rules over a tree, and applying what they propose."""

from __future__ import annotations

import ast
import errno
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from celery2q.config import Config
from celery2q.context import Context, Rule, all_rules
from celery2q.edit import Broken, apply_edits, key_of
from celery2q.findings import Edit, Finding, Level, TextEdit, silence
from celery2q.helper import helper_path, helper_source
from celery2q.sources import Problem, Tree


@dataclass
class Conversion:
    """What a conversion does to a tree.

    Attributes:
        before: the tree as it was read.
        changes: {path: new text, or None for a file that goes}.
        settled: findings whose edits were made.
        notes: findings of the old tree that no edit settles and the new tree does not show
            again (an option that was dropped, a value that means something else now).
        left: what the linter finds in the new tree.
        problems: inputs that were skipped.
    """

    before: Tree
    changes: dict[str, str | None] = field(default_factory=dict)
    settled: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)
    left: list[Finding] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def open_errors(self) -> list[Finding]:
        """What a person must settle before this can be deployed."""
        return [finding for finding in (*self.notes, *self.left) if finding.level is Level.ERROR]


def lint(context: Context, rules: Iterable[Rule] | None = None) -> list[Finding]:
    """All findings of a tree, in path and line order.

    Args:
        context: the tree.
        rules: which rules; None for all.
    """
    found: list[Finding] = []
    for rule in all_rules() if rules is None else rules:
        found.extend(rule.run(context))
    exclude = context.config.exclude
    found = [item for item in found if not (exclude and item.path.startswith(exclude))]
    found = silence(found, lambda path: _lines(context.tree, path))
    return sorted(found, key=lambda item: (item.path, item.line, item.column, item.rule))


def _lines(tree: Tree, path: str) -> list[str]:
    source = tree.files.get(path)
    return source.lines if source else []


def convert(
    tree: Tree, config: Config, rules: list[Rule] | None = None, kind: str = ""
) -> Conversion:
    """Apply every edit the rules propose, in memory.

    Args:
        tree: the files.
        config: the project's choices.
        rules: which rules; None for all.
        kind: only the changes of one kind; "" for all.

    Returns:
        The changes and what is left; nothing is written.
    """
    rules = all_rules() if rules is None else rules
    result = Conversion(tree)
    gone = dict.fromkeys(path for path in config.remove if path in tree.files)
    result.settled = [_removed(path) for path in gone]
    context = Context(tree.with_changes(gone), config)
    findings = lint(context, rules)
    kinds = {rule.id: rule.kind for rule in rules}
    chosen = [item for item in findings if not kind or kinds.get(item.rule) == kind]
    changes, unmade = _apply(context, chosen, result)
    unmade |= {id(item) for item in findings} - {id(item) for item in chosen}
    result.changes = gone | {
        path: text
        for path, text in changes.items()
        if text != (tree.files[path].text if path in tree.files else None)
    }
    after = Context(tree.with_changes(result.changes), config, context)
    result.left = lint(after, rules)
    seen = {(item.rule, item.path, item.message) for item in result.left}
    once = {rule.id for rule in rules if getattr(rule.module, "ONCE", False)}
    for item in findings:
        if item.edits and id(item) not in unmade:
            result.settled.append(item)
        elif item.rule in once and (item.rule, item.path, item.message) not in seen:
            result.notes.append(item)
    found = [*tree.problems, *context.tree.problems, *after.tree.problems]
    result.problems = list(dict.fromkeys(found))
    return result


def _removed(path: str) -> Finding:
    """A file that the project itself says goes with Celery."""
    return Finding(
        "celery-app", Level.ERROR, path, 1, 1, "This file is there for Celery alone.", "Remove it."
    )


def _apply(
    context: Context, findings: list[Finding], result: Conversion
) -> tuple[dict[str, str | None], set[int]]:
    tree = context.tree
    syntax: dict[str, list[tuple[Finding, Edit]]] = defaultdict(list)
    texts: dict[str, list[TextEdit]] = defaultdict(list)
    for finding in findings:
        for edit in finding.edits:
            if isinstance(edit, TextEdit):
                texts[edit.path].append(edit)
            else:
                syntax[finding.path].append((finding, edit))
    changes: dict[str, str | None] = {}
    unmade: set[int] = set()
    for path, pairs in syntax.items():
        try:
            code, done = apply_edits(
                tree.files[path].text, [edit for _, edit in pairs], context.project.packages
            )
        except Broken as error:
            tree.problem(path, f"left as it was: {error}")
            unmade.update(id(finding) for finding, _ in pairs)
            continue
        changes[path] = code
        for finding, edit in pairs:
            if key_of(edit) not in done:
                unmade.add(id(finding))
    changes.update(_helper(context, syntax))
    for path, edits in texts.items():
        text: str | None = changes.get(path, tree.files[path].text if path in tree.files else "")
        for edit in edits:
            text = edit.replace(text or "")
        if text is not None and path.endswith(".py") and not _parses(text):
            tree.problem(path, "left as it was: the edited text would be no Python")
            changes.pop(path, None)
            unmade.update(id(item) for item in findings if _touches(item, path))
            continue
        changes[path] = text
    return changes, unmade


def _touches(finding: Finding, path: str) -> bool:
    """Whether one of a finding's edits changes a file."""
    return any(
        (edit.path if isinstance(edit, TextEdit) else finding.path) == path
        for edit in finding.edits
    )


def _helper(
    context: Context, syntax: dict[str, list[tuple[Finding, Edit]]]
) -> dict[str, str | None]:
    """The helper module, when new code imports it and it is not there."""
    needed = any(
        module == context.helper
        for pairs in syntax.values()
        for _, edit in pairs
        for module, _ in edit.imports
    )
    path = helper_path(context)
    if not needed or path in context.tree.files:
        return {}
    return {path: helper_source(context)}


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return False
    return True


def write(result: Conversion) -> list[str]:
    """Write the changes: each file beside its place, then moved into it.

    Returns:
        The paths that were written or removed.

    Raises:
        OSError: a file cannot be written; those before it are whole, it is as it was. Where the
            folder of one leads out of the tree or takes no file, nothing is written at all.
    """
    done = []
    for path in sorted(result.changes):
        _stay_inside(result.before.root, path)
        _takes_files(result.before.root, path)
    for path, text in sorted(result.changes.items()):
        full = result.before.root / path
        if text is None:
            full.unlink()
        else:
            encoding = (
                result.before.files[path].encoding if path in result.before.files else "utf-8"
            )
            _replace(full, text.encode(encoding))
        done.append(path)
    return done


def _stay_inside(root: Path, path: str) -> None:
    """See that a file's folder is no way out of the tree: a new file may be told to go there."""
    top, folder = os.path.realpath(root), os.path.realpath((root / path).parent)
    if folder != top and not folder.startswith(top + os.sep):
        raise OSError(errno.ELOOP, "its folder is a symbolic link out of the tree", path)


def _takes_files(root: Path, path: str) -> None:
    """See that a file's folder, or the one that it will be made in, can be written to."""
    folder = (root / path).parent
    while not folder.exists():
        folder = folder.parent
    if not os.access(
        folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids
    ):
        raise OSError(errno.EACCES, "its folder cannot be written to", path)


def _replace(full: Path, data: bytes) -> None:
    full.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=full.parent, prefix=f".{full.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        mode = full.stat().st_mode & 0o7777 if full.exists() else 0o644
        os.chmod(name, mode)
        os.replace(name, full)
    except BaseException:
        os.unlink(name)
        raise
