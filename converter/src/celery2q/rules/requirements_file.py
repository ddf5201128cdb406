"""Requirements: Celery's packages go, django-q2 and croniter come.

Read are requirements*.txt, pyproject.toml (PEP 621, dependency groups, Poetry, uv), setup.cfg,
setup.py, Pipfile. The version of django-q2 fits the project's Django: 1.11 needs 5.2, older ones
get 1.8 to 1.10. Where `celery[redis]` brought redis and the project uses it otherwise, redis is
named itself. An extra of another package that brings Celery in goes too. Lock files, `pip install`
in a Dockerfile and conda's environments are findings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level, TextEdit
from celery2q.requirement_files import Item, is_requirements, items, rewritten
from celery2q.requirements import CRONITER, django_q, is_gone, normal
from celery2q.sources import Source

RULE = "requirements-file"
KIND = "requirements"
#: Lock files, and what makes them anew.
LOCKS = {
    "uv.lock": "uv lock",
    "poetry.lock": "poetry lock",
    "pdm.lock": "pdm lock",
    "Pipfile.lock": "pipenv lock",
    "pylock.toml": "the tool that wrote it",
}
_LOCKED = re.compile(r"""^\s*(?:name\s*=\s*"|")(?P<name>[A-Za-z0-9._-]+)"(?:\s*$|\s*:\s*\{)""")
_INSTALLS = re.compile(r"\b(?:pip3?|uv)\s+(?:pip\s+)?(?:install|add)\s+(?P<words>[^&|;]*)")
_CONDA = re.compile(
    r"^\s*-\s+(?:conda-forge::)?(?P<name>[A-Za-z0-9._-]+)(?:\[[^\]]*\])?\s*(?:[=<>].*)?$"
)


def check(context: Context) -> Iterator[Finding]:
    """Find the requirements."""
    uses = bool(context.registry.tasks or context.settings.celery)
    cluster = bool(context.settings.all("Q_CLUSTER"))
    files = [
        (source, items(source.path, source.text))
        for source in _sources(context)
        if is_requirements(source.path)
    ]
    named = {item.name for _, found in files for item in found}
    versions = [item.version for _, found in files for item in found if item.name == "django"]
    needed = django_q(versions) if uses or cluster else ""
    for source, found in files:
        yield from _check(context, source, found, named, needed)
    if files and cluster and not uses:
        yield from _missing(context, files[0][0], named, needed)
    for source in context.texts():
        yield from _elsewhere(source)


def _sources(context: Context) -> Iterator[Source]:
    yield from context.texts()
    for path in context.project.sorted_paths:
        if path.rpartition("/")[2] == "setup.py":
            yield context.tree.files[path]


def _missing(context: Context, source: Source, named: set[str], needed: str) -> Iterator[Finding]:
    """What a project on Django-Q2 requires and does not name."""
    if "django" not in named:
        return  # the requirements are not all here
    wanted = []
    if "django-q2" not in named and not any(is_gone(name) for name in named):
        wanted.append(("django-q2", "django_q is used", needed))
    if "croniter" not in named and "django-q2" in named and _uses_cron(context):
        wanted.append(("croniter", "cron schedules do not run without it", CRONITER))
    for name, why, requirement in wanted:
        yield Finding(
            RULE,
            Level.ERROR,
            source.path,
            1,
            1,
            f"{name} is not required, and {why}.",
            f"Add {requirement}.",
        )


def _uses_cron(context: Context) -> bool:
    return any(
        "Schedule.CRON" in source.text or "cron=" in source.text
        for source in context.tree.files.values()
        if source.is_python and "django_q" in source.text
    )


def _check(
    context: Context, source: Source, found: list[Item], named: set[str], needed: str
) -> Iterator[Finding]:
    gone = [item for item in found if is_gone(item.name) or item.extra]
    if not gone:
        return
    lines = [source.lines[item.line - 1] for item in gone]
    lock = all("==" in text and "via" in text for text in lines) or "--hash" in source.text
    main = next((item for item in gone if item.name == "celery"), None)
    added = []
    if main and needed:
        added = [item for item in (needed, CRONITER) if _name(item) not in named]
        if "redis" in main.extras and "redis" not in named and _uses_redis(context):
            added.append("redis")
    edit = TextEdit(source.path, lambda text: rewritten(source.path, text, added))
    for number, item in enumerate(gone):
        fix = "Take it away."
        message = f"{item.name} is required here."
        if item.extra:
            message = f"{item.name}{item.extras} is required here, whose extra brings Celery in."
            fix = "Take the extra celery away."
        elif item is main and added:
            fix = f"Require {', '.join(added)} instead."
        again = TextEdit(source.path, lambda text: text)
        yield Finding(
            RULE,
            Level.ERROR,
            source.path,
            item.line,
            1,
            message,
            "Compile the lock file again." if lock else fix,
            () if lock else ((again,) if number else (edit,)),
        )


def _elsewhere(source: Source) -> Iterator[Finding]:
    """Celery in what nobody edits by hand, or where nothing but a person should."""
    name = source.name
    if name in LOCKS:
        for number, line in enumerate(source.lines, 1):
            match = _LOCKED.match(line)
            if match and is_gone(normal(match["name"])):
                yield _found(
                    source, number, f"{match['name']} is locked here.", f"Run {LOCKS[name]}."
                )
                return
    elif name.lower().startswith("dockerfile") or name.lower().endswith(".dockerfile"):
        for number, line in _installed(source):
            for word in line.split():
                package = normal(re.split(r"[=<>!~\[;@]", word.strip("'\""))[0])
                if is_gone(package):
                    yield _found(source, number, f"{package} is installed here.", "Take it away.")
    elif re.fullmatch(r"(?i)(conda-?)?env(ironment)?[\w-]*\.ya?ml", name):
        for number, line in enumerate(source.lines, 1):
            match = _CONDA.match(line)
            if match and is_gone(normal(match["name"])):
                yield _found(
                    source,
                    number,
                    f"{match['name']} is required here.",
                    "Require django-q2 and croniter instead.",
                )


def _installed(source: Source) -> Iterator[tuple[int, str]]:
    """(line, words) of what a Dockerfile's `pip install` names, over continued lines too."""
    within = False
    for number, line in enumerate(source.lines, 1):
        text = line.partition(" #")[0]
        match = _INSTALLS.search(text)
        if match or within:
            words = match["words"] if match else re.split(r"[&|;]", text)[0]
            yield number, words.rstrip("\\")
        within = (bool(match) or within) and text.rstrip().endswith("\\")


def _found(source: Source, line: int, message: str, fix: str) -> Finding:
    return Finding(RULE, Level.ERROR, source.path, line, 1, message, fix)


def _name(requirement: str) -> str:
    return normal(re.split(r"[<>=]", requirement)[0])


def _uses_redis(context: Context) -> bool:
    return any(
        re.search(r"cache\S*[Rr]edis|^\s*(import|from) redis\b", source.text, re.MULTILINE)
        for source in context.tree.files.values()
        if source.is_python
    )


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
    Example(
        "lists in one line, groups, uv, Pipfile, and an extra",
        _SETTINGS
        | {
            "pyproject.toml": "[project]\nname = 'x'\nkeywords = ['celery']\n"
            "dependencies = ['django>=5.2', 'celery[redis]>=5', 'sentry-sdk[celery,django]']\n"
            "[project.optional-dependencies]\nworker = ['flower', 'pillow', 'kombu']\n"
            "[dependency-groups]\ndev = ['pytest-celery']\n"
            "[tool.uv]\ndev-dependencies = [\n  'celery-types',  # stubs\n  'ruff',\n]\n"
            "[tool.isort]\nknown_third_party = ['celery']\n",
            "old/Pipfile": '[packages]\ncelery = "*"\n'
            'sentry-sdk = {extras = ["celery"], version = "*"}\n',
        },
        (
            "old/Pipfile:2",
            "old/Pipfile:3",
            "pyproject.toml:4",
            "pyproject.toml:4",
            "pyproject.toml:6",
            "pyproject.toml:6",
            "pyproject.toml:8",
            "pyproject.toml:11",
        ),
        {
            "pyproject.toml": "[project]\nname = 'x'\nkeywords = ['celery']\n"
            "dependencies = ['django>=5.2', 'django-q2>=1.11,<2', 'croniter>=3', "
            "'sentry-sdk[django]']\n"
            "[project.optional-dependencies]\nworker = ['pillow']\n"
            "[dependency-groups]\ndev = []\n"
            "[tool.uv]\ndev-dependencies = [\n  'ruff',\n]\n"
            "[tool.isort]\nknown_third_party = ['celery']\n",
            "old/Pipfile": '[packages]\ndjango-q2 = ">=1.11,<2"\ncroniter = ">=3"\n'
            'sentry-sdk = {extras = [], version = "*"}\n',
        },
    ),
    Example(
        "setup.cfg, and setup.py in one line",
        _SETTINGS
        | {
            "setup.cfg": "[metadata]\nname = celery\n[options]\ninstall_requires =\n"
            "    Django>=4.2,<5\n    celery>=5\n    django-celery-beat\n"
            "[options.extras_require]\nworker =\n    kombu\n    pillow\n",
            "old/setup.py": "from setuptools import setup\n\n"
            "setup(install_requires=['celery>=5', 'django'], keywords='celery')\n",
        },
        ("old/setup.py:3", "setup.cfg:6", "setup.cfg:7", "setup.cfg:10"),
        {
            "setup.cfg": "[metadata]\nname = celery\n[options]\ninstall_requires =\n"
            "    Django>=4.2,<5\n    django-q2>=1.8,<1.11\n    croniter>=3\n"
            "[options.extras_require]\nworker =\n    pillow\n",
            "old/setup.py": "from setuptools import setup\n\n"
            "setup(install_requires=['django-q2>=1.8,<1.11', 'croniter>=3', 'django'], "
            "keywords='celery')\n",
        },
    ),
    Example(
        "lock files, an image and conda",
        {
            "uv.lock": '[[package]]\nname = "celery"\nversion = "5.4"\n',
            "Pipfile.lock": '{\n  "default": {\n    "celery": {\n      "version": "1"\n'
            "    }\n  }\n}\n",
            "Dockerfile": "FROM a\nRUN apt-get update && pip install 'celery[redis]>=5' django\n"
            "RUN pip install \\\n    django \\\n    kombu\n",
            "environment.yml": "dependencies:\n  - python\n  - celery=5\n  - pip:\n    - kombu\n",
        },
        (
            "Dockerfile:2",
            "Dockerfile:5",
            "Pipfile.lock:3",
            "environment.yml:3",
            "environment.yml:5",
            "uv.lock:2",
        ),
    ),
    Example(
        "a project on Django-Q2 that does not require it",
        {
            "shop/settings.py": "Q_CLUSTER = {}\n",
            "pyproject.toml": "[project]\ndependencies = ['django>=5']\n",
        },
        ("pyproject.toml:1",),
    ),
    Example(
        "croniter missing from a list in one line",
        {
            "shop/settings.py": "Q_CLUSTER = {}\n",
            "shop/a.py": "from django_q.models import Schedule\n\nkind = Schedule.CRON\n",
            "pyproject.toml": "[project]\ndependencies = ['django>=5', 'django-q2']\n",
        },
        ("pyproject.toml:1",),
    ),
    Example(
        "requirements without it",
        {
            "requirements.txt": "django\nnot-celery\n",
            "pyproject.toml": "[project]\nname = 'celery-shop'\nkeywords = [\n  'celery',\n]\n",
            "uv.lock": '[[package]]\nname = "django"\n',
            "Dockerfile": "FROM a\nRUN pip install django # celery went\n",
        },
    ),
)
