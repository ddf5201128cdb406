"""Reading a tree: every file once, what cannot be read named and left alone."""

from __future__ import annotations

import io
import os
import re
import tokenize
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

#: Folders that hold no code of the project itself; those that end in `.egg-info` neither.
SKIPPED_FOLDERS = frozenset(
    ".git .hg .svn .tox .nox .venv venv env node_modules bower_components __pycache__ "
    ".mypy_cache .ruff_cache .pytest_cache site-packages .idea .eggs".split()
)
#: What is read beside Python: requirements, settings of tools, deployment, templates, documents.
TEXT_SUFFIXES = frozenset(
    ".txt .in .toml .cfg .ini .yml .yaml .json .sh .service .conf .env .html .tmpl .tpl .j2 "
    ".jinja .rst .md .example .dist .sample .bat .ps1 .mk .hcl .tf .rules .lock".split()
)
TEXT_NAMES = re.compile(
    r"(?i)^(dockerfile.*|.*\.dockerfile|procfile.*|makefile|pipfile|justfile|\.env.*|crontab|celery.*)$"
)
SKIPPED_SUFFIX = ".egg-info"
#: Bytes of a file above which it is not read.
LARGEST = 2_000_000


@dataclass(frozen=True)
class Problem:
    """An input that was named, skipped and not touched."""

    path: str
    reason: str


@dataclass
class Source:
    """One file of the tree.

    Attributes:
        path: relative to the root, with forward slashes.
        text: the decoded text, line ends as they are in the file.
        encoding: what it was decoded with and is written back with.
    """

    path: str
    text: str
    encoding: str = "utf-8"

    @property
    def is_python(self) -> bool:
        """Whether this file holds Python code."""
        return self.path.endswith(".py")

    @cached_property
    def lines(self) -> list[str]:
        """The lines as Python's own parser counts them, without their ends."""
        return re.split(r"\r\n|\r|\n", self.text)

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.path.rsplit("/", 1)[-1]


@dataclass
class Tree:
    """All files that were read, and what could not be."""

    root: Path
    files: dict[str, Source] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    folders: set[str] = field(default_factory=set)

    def problem(self, path: str, reason: str) -> None:
        """Name an input that is left alone (once)."""
        found = Problem(path, reason)
        if found not in self.problems:
            self.problems.append(found)

    def with_changes(self, changes: dict[str, str | None]) -> Tree:
        """The same tree with some texts replaced, added or (None) gone; reads nothing."""
        files = {
            path: source for path, source in self.files.items() if changes.get(path, "") is not None
        }
        for path, text in changes.items():
            if text is not None:
                encoding = self.files[path].encoding if path in self.files else "utf-8"
                files[path] = Source(path, text, encoding)
        return Tree(self.root, files, list(self.problems), self.folders)


def decode(data: bytes, python: bool) -> tuple[str, str]:
    """Decode a file as Python would (its coding line, else UTF-8).

    Other texts that are not UTF-8 are read as Latin-1, which maps every byte and back.

    Raises:
        UnicodeDecodeError, SyntaxError, LookupError: the text cannot be read.
    """
    encoding = "utf-8"
    if python:
        encoding = tokenize.detect_encoding(io.BytesIO(data).readline)[0]
    elif data.startswith(b"\xef\xbb\xbf"):
        encoding = "utf-8-sig"
    try:
        return data.decode(encoding), encoding
    except UnicodeDecodeError:
        if python:
            raise
        return data.decode("latin-1"), "latin-1"


def wanted(name: str) -> bool:
    """Whether a file of this name is read at all."""
    return (
        name.endswith(".py")
        or os.path.splitext(name)[1].lower() in TEXT_SUFFIXES
        or bool(TEXT_NAMES.match(name))
    )


def inputs() -> dict[str, Any]:
    """Which files are read, for who brings a tree here from elsewhere.

    Returns:
        suffixes (lower case), names (a pattern that the whole name has to match), skipped_folders,
        skipped_suffix (of folders), largest (bytes of one file).
    """
    return {
        "suffixes": sorted({".py", *TEXT_SUFFIXES}),
        "names": TEXT_NAMES.pattern,
        "skipped_folders": sorted(SKIPPED_FOLDERS),
        "skipped_suffix": SKIPPED_SUFFIX,
        "largest": LARGEST,
    }


def read_tree(root: Path) -> Tree:
    """Read a project's files in one pass.

    Args:
        root: the folder, or a single file.

    Raises:
        OSError: the root itself cannot be read.
    """
    tree = Tree(root if root.is_dir() else root.parent)
    root.stat()
    if not root.is_dir():
        _read(tree, root, root.name)
        return tree
    os.listdir(root)
    real_root = os.path.realpath(root)

    def unreadable(error: OSError) -> None:
        tree.problem(_relative(Path(error.filename), root), f"unreadable: {error.strerror}")

    for folder, folders, names in os.walk(root, onerror=unreadable):
        base = _relative(Path(folder), root)
        tree.folders.add(base)
        for name in list(folders):
            full = os.path.join(folder, name)
            skipped = name in SKIPPED_FOLDERS or name.endswith(SKIPPED_SUFFIX)
            if not skipped and os.path.islink(full) and _outside(full, real_root):
                tree.problem(_join(base, name), "symbolic link out of the tree")
            if skipped or os.path.islink(full):
                folders.remove(name)
        folders.sort()
        for name in sorted(names):
            if wanted(name):
                _admit(tree, Path(folder) / name, _join(base, name), real_root)
    return tree


def _admit(tree: Tree, full: Path, path: str, real_root: str) -> None:
    if full.is_symlink():
        if _outside(str(full), real_root):
            tree.problem(path, "symbolic link out of the tree")
        return
    if full.is_file():
        _read(tree, full, path)


def _read(tree: Tree, full: Path, path: str) -> None:
    try:
        data = full.read_bytes()
        if len(data) > LARGEST:
            if path.endswith(".py"):  # no other text is missed
                tree.problem(path, f"larger than {LARGEST} bytes")
            return
        text, encoding = decode(data, path.endswith(".py"))
    except OSError as error:
        tree.problem(path, f"unreadable: {error.strerror}")
    except (UnicodeDecodeError, SyntaxError, LookupError):
        tree.problem(path, "neither UTF-8 nor the encoding that it declares")
    else:
        tree.files[path] = Source(path, text, encoding)


def _relative(path: Path, root: Path) -> str:
    relative = os.path.relpath(path, root).replace(os.sep, "/")
    return "" if relative == "." else relative


def _join(base: str, name: str) -> str:
    return f"{base}/{name}" if base else name


def _outside(link: str, real_root: str) -> bool:
    target = os.path.realpath(link)
    return target != real_root and not target.startswith(real_root + os.sep)
