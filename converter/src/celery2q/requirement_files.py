"""Files that name requirements: where each stands in the text, and how it is replaced.

A requirement is a line of its own (requirements files, setup.cfg), a text in a list (PEP 621,
dependency groups, uv, setup.py), or a key of a table (Poetry, Pipfile).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from celery2q.requirements import is_file, is_gone, normal, read

#: Sections and keys of pyproject.toml whose lists hold requirements.
_LISTS = re.compile(
    r"^(build-system\.requires|project\.dependencies|project\.optional-dependencies\.[^.]+|"
    r"dependency-groups\.[^.]+|tool\.uv\.(dev|constraint|override|build-constraint)-dependencies|"
    r"tool\.pdm\.dev-dependencies\.[^.]+|tool\.hatch\.envs\..+\.(extra-)?dependencies|"
    r"tool\.rye\.dev-dependencies|tool\.setuptools\.dynamic\..+)$"
)
#: Sections whose keys are requirements.
_TABLES = re.compile(
    r"^(tool\.poetry\.(dev-)?dependencies|tool\.poetry\.group\.[^.]+\.dependencies|"
    r"packages|dev-packages|tool\.pixi\..*dependencies|dependencies)$"
)
_SECTION = re.compile(r"^\s*\[\[?\s*(?P<name>[^\]]+?)\s*\]\]?\s*(#.*)?$")
_KEY = re.compile(r"""^\s*(?P<quote>["']?)(?P<key>[A-Za-z0-9_.-]+)(?P=quote)\s*=\s*""")
_STRING = re.compile(r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'|\#[^\n]*|[\[\]]""")
_NAMED = re.compile(
    r"^\s*(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?P<extras>\[[^\]]*\])?"
    r"\s*(?P<rest>$|[=<>!~^@;(\s].*$)",
    re.DOTALL,
)
TOML = ("pyproject.toml", "Pipfile")
OTHER = ("setup.cfg", "setup.py")


@dataclass(frozen=True)
class Item:
    """One requirement in a file.

    Attributes:
        line: 1-based line.
        name: normalised package name.
        extras: as written, "[redis]" or "".
        version: what follows, as written.
        start: offset where it begins in the text, its quote included.
        end: offset where it ends.
        kind: "line", "text" (in quotes, in a list) or "key" (of a table).
    """

    line: int
    name: str
    extras: str
    version: str
    start: int
    end: int
    kind: str

    @property
    def extra(self) -> bool:
        """Whether it brings Celery in by an extra of a package of another name."""
        return not is_gone(self.name) and "celery" in _extras(self.extras)


def _extras(text: str) -> list[str]:
    return [part.strip() for part in text.strip("[]").split(",") if part.strip()]


def is_requirements(path: str) -> bool:
    """Whether a file's requirements can be read here."""
    return is_file(path) or path.rpartition("/")[2] in (*TOML, *OTHER)


def items(path: str, text: str) -> list[Item]:
    """The requirements of a file, in the order of their places."""
    name = path.rpartition("/")[2]
    if name in TOML:
        found = _toml(text)
    elif name == "setup.py":
        found = _setup_py(text)
    elif name == "setup.cfg":
        found = _setup_cfg(text)
    else:
        found = _lines(text)
    return sorted(found, key=lambda item: item.start)


def _starts(text: str) -> list[int]:
    """Offsets of the lines."""
    starts = [0]
    for match in re.finditer(r"\r\n|\r|\n", text):
        starts.append(match.end())
    return starts


def _item(text: str, start: int, end: int, kind: str, value: str) -> Item | None:
    match = _NAMED.match(value)
    if match is None:
        return None
    line = len(re.findall(r"\r\n|\r|\n", text[:start])) + 1
    version = match["rest"].strip()
    return Item(line, normal(match["name"]), match["extras"] or "", version, start, end, kind)


def _lines(text: str) -> Iterator[Item]:
    starts = _starts(text)
    lines = text.splitlines()
    for item in read(text):
        begin = starts[item.line - 1]
        yield Item(
            item.line,
            item.name,
            item.extras,
            item.version,
            begin,
            begin + len(lines[item.line - 1]),
            "line",
        )


def _setup_cfg(text: str) -> Iterator[Item]:
    """Lines below install_requires and its like, and below each key of extras_require."""
    starts, section, wanted = _starts(text), "", False
    for number, line in enumerate(text.splitlines()):
        if match := _SECTION.match(line):
            section, wanted = match["name"], False
            continue
        begin, value = starts[number], line
        key = re.match(r"^(?P<key>[A-Za-z0-9_.-]+)\s*=\s*", line)
        if key:
            needs = key["key"] == "install_requires" or (
                section == "options" and key["key"].endswith("_requires")
            )
            wanted = needs or section == "options.extras_require"
            begin, value = begin + key.end(), line[key.end() :]
        if not wanted or not value.strip() or value.lstrip().startswith("#"):
            continue
        indent = len(value) - len(value.lstrip())
        kind = "text" if key else "line"
        start = begin + indent if key else starts[number]
        found = _item(text, start, starts[number] + len(line), kind, value)
        if found is not None:
            yield found


def _setup_py(text: str) -> Iterator[Item]:
    """Texts in the lists of a setup.py."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    starts = _starts(text)
    lines = text.splitlines()

    def offset(line: int, column: int) -> int:
        # ast counts bytes.
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode(errors="ignore"))

    for node in ast.walk(tree):
        if not isinstance(node, ast.List | ast.Tuple):
            continue
        for part in node.elts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                start = offset(part.lineno, part.col_offset)
                end = offset(part.end_lineno or part.lineno, part.end_col_offset or 0)
                found = _item(text, start, end, "text", part.value)
                if found is not None:
                    yield found


def _toml(text: str) -> Iterator[Item]:
    """Texts of the lists, and keys of the tables, that hold requirements."""
    starts, section, skip = _starts(text), "", 0
    lines = text.splitlines()
    for number, line in enumerate(lines):
        begin = starts[number]
        if begin < skip:
            continue
        if match := _SECTION.match(line):
            section = re.sub(r"""["'\s]""", "", match["name"])
            continue
        key = _KEY.match(line)
        if key is None:
            continue
        value = begin + key.end()
        if text[value : value + 1] == "[":
            found, skip = _texts(text, value)
            if _LISTS.match(f"{section}.{key['key']}" if section else key["key"]):
                yield from found
        elif _TABLES.match(section) and line[key.end() :].lstrip()[:1] in ("'", '"', "{"):
            extras = re.search(r"extras\s*=\s*(\[[^\]]*\])", line)
            names = re.sub(r"""["'\s]""", "", extras[1]) if extras else ""
            yield Item(
                number + 1,
                normal(key["key"]),
                names,
                line[key.end() :].strip(),
                begin,
                begin + len(line),
                "key",
            )


def _texts(text: str, start: int) -> tuple[list[Item], int]:
    """The texts of the list that begins at an offset, and where it ends."""
    found, depth, end = [], 0, start
    for match in _STRING.finditer(text, start):
        token = match[0]
        end = match.end()
        if token.startswith("#"):
            continue
        if token in "[]":
            depth += 1 if token == "[" else -1
            if depth == 0:
                break
            continue
        item = _item(text, match.start(), match.end(), "text", token[1:-1])
        if item is not None:
            found.append(item)
    return found, end


def rewritten(path: str, text: str, added: list[str]) -> str:
    """A file without Celery's packages, with others where the first of them stood.

    Args:
        path: the file's path, which tells its form.
        text: its text.
        added: requirements that come in the place of celery, or of the first that goes.
    """
    found = items(path, text)
    gone = [item for item in found if is_gone(item.name)]
    main = next((item for item in gone if item.name == "celery"), None)
    for item in reversed(found):
        if item.extra:
            text = _without_extra(text, item)
        elif is_gone(item.name):
            text = _replaced(text, item, added if item is main else [])
    return text


def _without_extra(text: str, item: Item) -> str:
    """A requirement without its extra celery."""
    part = text[item.start : item.end]
    kept = [name for name in _extras(item.extras) if name != "celery"]
    if item.kind == "key":
        quoted = ", ".join(f'"{name}"' for name in kept)
        part = re.sub(r"(extras\s*=\s*)\[[^\]]*\]", rf"\g<1>[{quoted}]", part)
    else:
        part = part.replace(item.extras, f"[{','.join(kept)}]" if kept else "", 1)
    return text[: item.start] + part + text[item.end :]


def _replaced(text: str, item: Item, added: list[str]) -> str:
    """A requirement taken away, and others put where it stood, written as it was."""
    begin = max(text.rfind("\n", 0, item.start), text.rfind("\r", 0, item.start)) + 1
    stop = re.compile(r"\r\n|\r|\n|$").search(text, item.end)
    assert stop is not None  # `$` is always found
    before, after = text[begin : item.start], text[item.end : stop.start()]
    alone = re.fullmatch(r"\s*", before) and re.fullmatch(r"\s*,?\s*(#.*)?", after)
    if item.kind == "text" and not alone:
        return _inline(text, item, added)
    ending = stop[0] or "\n"
    lines = []
    for requirement in added:
        if item.kind == "text":
            mark = text[item.start]
            comma = "," if after.lstrip().startswith(",") else ""
            lines.append(f"{before}{mark}{requirement}{mark}{comma}{ending}")
        elif item.kind == "key":
            name, _, version = requirement.partition(">=")
            lines.append(f'{before}{name} = "{f">={version}" if version else "*"}"{ending}')
        else:
            line = text[begin : item.end]
            lead = re.match(r"""\s*(?:-\s+)?""", line)
            lines.append(f"{lead[0] if lead else ''}{requirement}{ending}")
    if item.kind == "text" and not after.lstrip().startswith(","):
        lines = [line.replace(ending, "," + ending) for line in lines[:-1]] + lines[-1:]
    return text[:begin] + "".join(lines) + text[stop.end() :]


def _inline(text: str, item: Item, added: list[str]) -> str:
    """The same within a line: `["django", "celery>=5"]`."""
    mark = text[item.start] if text[item.start] in "'\"" else ""
    start, end = item.start, item.end
    if not added:
        follow = re.compile(r"\s*,[ \t]*").match(text, end)
        ahead = re.compile(r",?[ \t]*$").search(text, 0, start)
        if follow:
            end = follow.end()
        elif ahead:
            start = ahead.start()
        return text[:start] + text[end:]
    glue = ", " if mark else "\n    "
    return text[:start] + glue.join(f"{mark}{name}{mark}" for name in added) + text[end:]
