"""Requirements: Celery's packages go, django-q2 and croniter come.

Read are requirements*.txt, pyproject.toml (PEP 621, Poetry, uv), setup.cfg, setup.py, Pipfile. The
version of django-q2 fits the project's Django: 1.11 needs 5.2, older ones get 1.8 to 1.10.
Where `celery[redis]` brought redis and the project uses it otherwise, redis is named itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level, TextEdit
from celery2q.requirements import CRONITER, GONE, django_q, is_file, normal, read
from celery2q.sources import Source

RULE = "requirements-file"
KIND = "requirements"
#: In TOML and setup.cfg: a quoted or bare requirement, or a key of Poetry's table.
_ITEM = re.compile(
    r"""^(?P<indent>\s*)(?P<quote>['"]?)(?P<name>[A-Za-z][A-Za-z0-9._-]*)(?P<extras>\[[^\]]*\])?
    (?P<rest>\s*(?:[=<>!~^@;,'"\]].*|))$""",
    re.VERBOSE,
)
TOML = ("pyproject.toml", "setup.cfg", "Pipfile", "setup.py")


def check(context: Context) -> Iterator[Finding]:
    """Find the requirement lines."""
    uses = bool(context.registry.tasks or context.settings.celery)
    cluster = bool(context.settings.all("Q_CLUSTER"))
    needed = django_q(_django(context))
    named: set[str] = set()
    files = []
    for source in _sources(context):
        if is_file(source.path):
            lines = [(item.line, item.name, item.extras) for item in read(source.text)]
        elif source.name in TOML:
            lines = list(_toml_lines(source))
        else:
            continue
        named.update(name for _, name, _ in lines)
        files.append((source, lines))
    for source, lines in files:
        yield from _check(context, source, lines, named, needed if uses or cluster else "")
    if files and cluster and not uses and "django-q2" in named and "croniter" not in named:
        if _uses_cron(context):
            source = files[0][0]
            yield Finding(
                RULE,
                Level.ERROR,
                source.path,
                1,
                1,
                "croniter is not required, and cron schedules do not run without it.",
                f"Add {CRONITER}.",
            )


def _sources(context: Context) -> Iterator[Source]:
    yield from context.texts()
    for path in context.project.sorted_paths:
        if path.rpartition("/")[2] == "setup.py":
            yield context.tree.files[path]


def _uses_cron(context: Context) -> bool:
    return any(
        "Schedule.CRON" in source.text or "cron=" in source.text
        for source in context.tree.files.values()
        if source.is_python and "django_q" in source.text
    )


def _django(context: Context) -> list[str]:
    found = []
    for source in _sources(context):
        if is_file(source.path):
            found += [item.version for item in read(source.text) if item.name == "django"]
        elif source.name in TOML:
            found += re.findall(r"""(?im)^\s*['"]?django['"]?\s*([=<>~^!].*)$""", source.text)
    return found


def _toml_lines(source: Source) -> Iterator[tuple[int, str, str]]:
    """Requirements of a TOML or cfg file that stand on a line of their own."""
    for number, line in enumerate(source.lines, 1):
        match = _ITEM.match(line)
        if match and not line.lstrip().startswith("#"):
            name = normal(match["name"])
            if name in GONE or name in ("django-q2", "croniter", "redis", "django"):
                yield number, name, match["extras"] or ""


def _check(
    context: Context,
    source: Source,
    lines: list[tuple[int, str, str]],
    named: set[str],
    needed: str,
) -> Iterator[Finding]:
    gone = [(line, name, extras) for line, name, extras in lines if name in GONE]
    if not gone:
        return
    texts = [source.lines[line - 1] for line, _, _ in gone]
    lock = all("==" in text and "via" in text for text in texts) or "--hash" in source.text
    main = [entry for entry in gone if entry[1] == "celery"]
    added = []
    if main and needed:
        added = [item for item in (needed, CRONITER) if _name(item) not in named]
        if "redis" in main[0][2] and "redis" not in named and _uses_redis(context):
            added.append("redis")
    edit = TextEdit(source.path, lambda text: _rewritten(text, {e[0] for e in gone}, main, added))
    for line, name, _ in gone:
        fix = "Take it away."
        if main and line == main[0][0] and added:
            fix = f"Require {', '.join(added)} instead."
        first = line == gone[0][0]
        yield Finding(
            RULE,
            Level.ERROR,
            source.path,
            line,
            1,
            f"{name} is required here.",
            "Compile the lock file again." if lock else fix,
            () if lock else ((edit,) if first else (TextEdit(source.path, lambda text: text),)),
        )


def _name(requirement: str) -> str:
    return normal(re.split(r"[<>=]", requirement)[0])


def _uses_redis(context: Context) -> bool:
    return any(
        re.search(r"cache\S*[Rr]edis|^\s*(import|from) redis\b", source.text, re.MULTILINE)
        for source in context.tree.files.values()
        if source.is_python
    )


def _rewritten(
    text: str, gone: set[int], main: list[tuple[int, str, str]], added: list[str]
) -> str:
    """Take lines away; put the new ones where celery's stood, written as it was."""
    lines = text.splitlines(keepends=True)
    out = []
    for number, line in enumerate(lines, 1):
        if number not in gone:
            out.append(line)
            continue
        if main and number == main[0][0]:
            out += [_like(line, requirement) for requirement in added]
        if re.search(r"\]\s*$", line.rstrip()) and not re.search(r"\[[^\]]*\]", line):
            out.append("]\n")
    return "".join(out)


def _like(line: str, requirement: str) -> str:
    """A requirement written as another one is: bare, quoted, or a key of a table."""
    end = line[len(line.rstrip("\r\n")) :] or "\n"
    match = _ITEM.match(line.rstrip("\r\n"))
    indent = match["indent"] if match else ""
    quote = match["quote"] if match else ""
    rest = match["rest"] if match else ""
    if quote:
        comma = "," if "," in rest.rsplit(quote, 1)[-1] else ""
        return f"{indent}{quote}{requirement}{quote}{comma}{end}"
    if re.match(r"""\s*=\s*['"{]""", rest):
        name, _, version = requirement.partition(">=")
        text = f">={version}" if version else "*"
        return f'{indent}{name} = "{text}"{end}'
    return f"{indent}{requirement}{end}"


_SETTINGS = {
    "shop/__init__.py": "",
    "shop/settings.py": "CELERY_TIMEZONE = 'UTC'\nINSTALLED_APPS = []\n",
}

EXAMPLES = (
    Example(
        "a requirements file",
        _SETTINGS
        | {
            "requirements/base.txt": "Django==4.2.*\ncelery[redis]==5.4.0  # tasks\n"
            "django-celery-beat==2.6\npillow\n"
        },
        ("requirements/base.txt:2", "requirements/base.txt:3"),
        {"requirements/base.txt": "Django==4.2.*\ndjango-q2>=1.8,<1.11\ncroniter>=3\npillow\n"},
    ),
    Example(
        "PEP 621 and Poetry",
        _SETTINGS
        | {
            "pyproject.toml": '[project]\ndependencies = [\n  "django>=5.2,<6",\n'
            '  "celery[redis]>=5.4",\n  "pillow",\n]\n',
            "old/pyproject.toml": '[tool.poetry.dependencies]\ndjango = "^5.2"\n'
            'celery = {extras = ["redis"], version = "^5.4"}\n',
        },
        ("old/pyproject.toml:3", "pyproject.toml:4"),
        {
            "pyproject.toml": '[project]\ndependencies = [\n  "django>=5.2,<6",\n'
            '  "django-q2>=1.11,<2",\n  "croniter>=3",\n  "pillow",\n]\n',
            "old/pyproject.toml": '[tool.poetry.dependencies]\ndjango = "^5.2"\n'
            'django-q2 = ">=1.11,<2"\ncroniter = ">=3"\n',
        },
    ),
    Example(
        "setup.py",
        _SETTINGS
        | {
            "setup.py": "from setuptools import setup\n\nsetup(\n    install_requires=[\n"
            "        'Django>=5.2',\n        'celery>=5.4',\n        'kombu',\n    ],\n)\n"
        },
        ("setup.py:6", "setup.py:7"),
        {
            "setup.py": "from setuptools import setup\n\nsetup(\n    install_requires=[\n"
            "        'Django>=5.2',\n        'django-q2>=1.11,<2',\n        'croniter>=3',\n"
            "    ],\n)\n"
        },
    ),
    Example("requirements without it", {"requirements.txt": "django\nnot-celery\n"}),
)
