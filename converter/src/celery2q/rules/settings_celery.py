"""Celery's settings go; what they said is in Q_CLUSTER now.

A setting that other code reads stays, and is a finding that names the reader. Routes to queues
are carried over into each call; a router that is code is a finding.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level
from celery2q.index import ModuleIndex
from celery2q.qcluster import EAGER, LIMITS
from celery2q.schedules.find import SETTINGS
from celery2q.settings import Setting
from celery2q.values import number_of

RULE = "settings-celery"
KIND = "settings"
ROUTES = ("CELERY_TASK_ROUTES", "CELERY_ROUTES")


def check(context: Context) -> Iterator[Finding]:
    """Find Celery's settings."""
    names = {item.name for item in context.settings.celery}
    readers = _readers(context, names)
    eager = {name for name in EAGER if name in readers and _only_asked(context, readers[name])}
    for name in sorted(eager):
        for module, node in readers.pop(name):
            yield _asked(context, module, node)
    done: set[str] = set()
    for item in context.settings.celery:
        if item.name not in SETTINGS:
            where = [
                f"{module.path}:{getattr(node, 'lineno', 1)}"
                for module, node in readers.get(item.name, [])
                if module is item.module or not isinstance(node, ast.Name)
            ]
            yield _check(context, item, where[0] if where else "", item.module.path in done)
            if item.name in EAGER:
                done.add(item.module.path)


def _readers(context: Context, names: set[str]) -> dict[str, list[tuple[ModuleIndex, ast.AST]]]:
    """{setting: where it is read}, other than in its own assignments."""
    found: dict[str, list[tuple[ModuleIndex, ast.AST]]] = {}
    own = {id(inner) for item in context.settings.celery for inner in ast.walk(item.statement)}
    for module in context.modules:
        for node in ast.walk(module.tree):
            name = None
            if isinstance(node, ast.Attribute):
                name = node.attr
            elif isinstance(node, ast.Name) and id(node) not in own:
                name = node.id
            elif isinstance(node, ast.Constant) and id(node) not in own:
                # getattr(settings, "…"); in a setting itself it is a variable of the environment
                name = node.value if isinstance(node.value, str) else None
            elif isinstance(node, ast.keyword):
                name = node.arg
            if name in names and not isinstance(getattr(node, "ctx", None), ast.Store):
                found.setdefault(name, []).append((module, node))
    return found


def _only_asked(context: Context, readers: list[tuple[ModuleIndex, ast.AST]]) -> bool:
    """Whether all readers are `settings.NAME`."""
    return all(
        isinstance(node, ast.Attribute)
        and context.project.resolve(module, node.value) == "django.conf.settings"
        for module, node in readers
    )


def _asked(context: Context, module: ModuleIndex, node: ast.AST) -> Finding:
    """Code that asks whether tasks run at once."""
    assert isinstance(node, ast.Attribute)
    text = f'{module.text(node.value)}.Q_CLUSTER.get("sync", False)'
    return context.at(
        RULE,
        Level.ERROR,
        module,
        node,
        f"{module.text(node)} is a setting of Celery's.",
        f"Ask {text}.",
        edits=[module.edit("Attribute", node, lambda _: cst.parse_expression(text))],
    )


def _check(context: Context, item: Setting, reader: str, again: bool) -> Finding:
    message = f"{item.name} is a setting of Celery's."
    if item.name in ROUTES and not isinstance(item.value, ast.Dict):
        return context.at(
            RULE,
            Level.ERROR,
            item.module,
            item.statement,
            f"{item.name} routes tasks by code, which no call carries over.",
            "Give each task its cluster where it is sent, then take the setting away.",
        )
    if reader:
        return context.at(
            RULE,
            Level.ERROR,
            item.module,
            item.statement,
            f"{message} {reader} reads it.",
            "Change the reader first, then take the setting away.",
        )
    if item.name in LIMITS and not _is_none(item.value):
        if number_of(context, item.module, item.value) is None:
            return context.at(
                RULE,
                Level.ERROR,
                item.module,
                item.statement,
                f"{item.name} is known only at run time, so Q_CLUSTER's timeout cannot be made of "
                "it.",
                "Set timeout, and retry to fit it, in Q_CLUSTER; then take the setting away.",
            )
    conditional = item.module.parents[item.statement] is not item.module.tree
    if item.name in EAGER and item.module is context.settings.main and conditional:
        return context.at(
            RULE,
            Level.ERROR,
            item.module,
            item.statement,
            f"{item.name} stands under a condition, and is a setting of Celery's.",
            'Set Q_CLUSTER["sync"] under the same condition.',
        )
    if item.name in EAGER and item.module is not context.settings.main and not again:
        return _eager(context, item)
    names = tuple(
        inner.id
        for inner in ast.walk(item.statement)
        if isinstance(inner, ast.Name) and inner.id != item.name
    )
    return context.at(
        RULE,
        Level.ERROR,
        item.module,
        item.statement,
        message,
        "Take it away; what Django-Q2 needs of it stands in Q_CLUSTER.",
        edits=[
            Edit(
                "SimpleStatementLine",
                item.statement.lineno,
                item.module.column(item.statement),
                lambda _: cst.RemoveFromParent(),
                drops=names,
            )
        ],
    )


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _eager(context: Context, item: Setting) -> Finding:
    """Settings for tests, on top of the main ones, that run tasks at once."""
    text = f'Q_CLUSTER = {{**Q_CLUSTER, "sync": {item.module.text(item.value)}}}'
    mark = (
        "SimpleStatementLine",
        item.statement.lineno,
        item.module.column(item.statement),
    )

    def replace(old: cst.SimpleStatementLine) -> cst.SimpleStatementLine:
        new = cst.parse_statement(text)
        return old.with_changes(body=new.body)  # type: ignore[union-attr]

    return context.at(
        RULE,
        Level.ERROR,
        item.module,
        item.statement,
        f"{item.name} runs tasks at once, and is a setting of Celery's.",
        'Say Q_CLUSTER["sync"] instead.',
        edits=[Edit(*mark, replace)] if item.module.stars or "Q_CLUSTER" in item.module.top else [],
    )


EXAMPLES = (
    Example(
        "a time limit that only the running program knows",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "import os\n\nINSTALLED_APPS = []\n"
            "CELERY_TASK_TIME_LIMIT = int(os.environ['LIMIT'])\nCELERYD_TASK_TIME_LIMIT = None\n",
        },
        ("shop/settings.py:4", "shop/settings.py:5"),
        {
            "shop/settings.py": "import os\n\nINSTALLED_APPS = []\n"
            "CELERY_TASK_TIME_LIMIT = int(os.environ['LIMIT'])\n"
        },
    ),
    Example(
        "settings for tests that run tasks at once",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "INSTALLED_APPS = []\nQ_CLUSTER = {}\n",
            "shop/settings_test.py": "from shop.settings import *\n\n"
            "CELERY_TASK_ALWAYS_EAGER = True\n",
        },
        ("shop/settings_test.py:3",),
        {
            "shop/settings_test.py": "from shop.settings import *\n\n"
            'Q_CLUSTER = {**Q_CLUSTER, "sync": True}\n'
        },
    ),
    Example(
        "settings nobody reads, with their comments, also under a condition",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "import os\n\nfrom kombu import Queue\n\nINSTALLED_APPS = []\n\n"
            "# where it is\nCELERY_BROKER_URL = 'redis://'\n"
            "CELERY_TASK_QUEUES = [Queue('a')]\n\nif os.environ:\n"
            "    CELERY_TIMEZONE = 'UTC'\nDEBUG = 1\n",
        },
        ("shop/settings.py:8", "shop/settings.py:9", "shop/settings.py:12"),
        {
            "shop/settings.py": "import os\n\nINSTALLED_APPS = []\n\nif os.environ:\n"
            "    pass\nDEBUG = 1\n"
        },
    ),
    Example(
        "a setting that is taken from the environment under its own name",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "import os\n\nINSTALLED_APPS = []\n"
            "CELERY_BROKER_URL = os.environ.get('CELERY_BROKER_URL', 'redis://')\n",
        },
        ("shop/settings.py:4",),
        {"shop/settings.py": "INSTALLED_APPS = []\n"},
    ),
    Example(
        "a setting that is read by its name in a text",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "INSTALLED_APPS = []\nCELERY_BROKER_URL = 'redis://'\n",
            "shop/a.py": "from django.conf import settings\n\n"
            "print(getattr(settings, 'CELERY_BROKER_URL', None))\n",
        },
        ("shop/settings.py:2",),
    ),
    Example(
        "a section of nothing but Celery goes with its heading, another one keeps it",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "INSTALLED_APPS = []\n\n# --- Celery ---\n\n"
            "# the broker\nCELERY_BROKER_URL = 'redis://'\nCELERY_TIMEZONE = 'UTC'\n\n"
            "# --- Mail (no Celery) ---\n\nMAIL = 1\n",
            "test/settings.py": "from shop.settings import *\n\n# Celery, mail\n\n"
            "CELERY_TIMEZONE = 'UTC'\nMAIL = 2\n",
        },
        ("shop/settings.py:6", "shop/settings.py:7", "test/settings.py:5"),
        {
            "shop/settings.py": "INSTALLED_APPS = []\n\n# --- Mail (no Celery) ---\n\nMAIL = 1\n",
            "test/settings.py": "from shop.settings import *\n\n# Celery, mail\n\nMAIL = 2\n",
        },
    ),
    Example(
        "a setting that is read elsewhere, and a router that is code",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "INSTALLED_APPS = []\nCELERY_BROKER_URL = 'redis://'\n"
            "CELERY_TASK_ROUTES = [lambda name: 'a']\n",
            "shop/a.py": "from django.conf import settings\n\nprint(settings.CELERY_BROKER_URL)\n",
        },
        ("shop/settings.py:2", "shop/settings.py:3"),
    ),
    Example(
        "tasks that run at once under a condition only",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "INSTALLED_APPS = []\nif not INSTALLED_APPS:\n"
            "    CELERY_TASK_ALWAYS_EAGER = True\n",
        },
        ("shop/settings.py:3",),
    ),
    Example(
        "code that asks whether tasks run at once",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "INSTALLED_APPS = []\nCELERY_TASK_ALWAYS_EAGER = False\n",
            "shop/a.py": "from django.conf import settings\n\n"
            "if settings.CELERY_TASK_ALWAYS_EAGER:\n    pass\n",
        },
        ("shop/a.py:3", "shop/settings.py:2"),
        {
            "shop/settings.py": "INSTALLED_APPS = []\n",
            "shop/a.py": "from django.conf import settings\n\n"
            'if settings.Q_CLUSTER.get("sync", False):\n    pass\n',
        },
    ),
    Example(
        "another setting",
        {"shop/__init__.py": "", "shop/settings.py": "INSTALLED_APPS = []\nBROKER = 'celery'\n"},
    ),
)
