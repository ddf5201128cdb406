"""INSTALLED_APPS: Celery's apps go, django_q comes.

`django_celery_beat` stays where code still reads its tables; that reader is a finding already.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level
from celery2q.settings import Setting

RULE = "installed-apps"
KIND = "settings"
GONE = re.compile(r"^(django_celery_beat|django_celery_results|djcelery|djkombu|kombu)(\.|$)")


def check(context: Context) -> Iterator[Finding]:
    """Look at every INSTALLED_APPS."""
    settings = context.settings.all("INSTALLED_APPS")
    named = {
        node.value
        for item in settings
        for node in ast.walk(item.value)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    uses = context.registry.tasks or context.settings.celery or context.settings.all("Q_CLUSTER")
    lacks = bool(uses) and not any(name.split(".")[0] == "django_q" for name in named)
    for item in settings:
        yield from _check(context, item)
    base = [item for item in settings if isinstance(item.value, ast.List | ast.Tuple)]
    if lacks and base:
        whole = [item for item in base if item.module in context.settings.whole] or base[:1]
        for item in whole:
            kind = type(item.value).__name__
            yield context.at(
                RULE,
                Level.ERROR,
                item.module,
                item.value,
                "django_q is not in INSTALLED_APPS.",
                "Add it; then run migrate.",
                edits=[item.module.edit(kind, item.value, _with_django_q)],
            )


def _check(context: Context, item: Setting) -> Iterator[Finding]:
    for node in ast.walk(item.value):
        if (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and GONE.match(node.value)
        ):
            parent = item.module.parents[node]
            reader = _reader(context, node.value.split(".")[0], item)
            edits: list[Edit] = []
            fix = "Take it away; its tables go when the migration is finalized."
            if reader:
                fix = f"Change {reader} first, which uses it."
            elif isinstance(parent, ast.List | ast.Tuple):
                edits = [item.module.edit("Element", node, lambda _: cst.RemoveFromParent())]
            yield context.at(
                RULE,
                Level.ERROR,
                item.module,
                node,
                f"{node.value} is in INSTALLED_APPS.",
                fix,
                edits,
            )


def _reader(context: Context, app: str, own: Setting) -> str:
    """Code that names an app otherwise than in settings."""
    for module in context.modules:
        for node in module.imports:
            name = node.module if isinstance(node, ast.ImportFrom) else node.names[0].name
            if (name or "").split(".")[0] == app:
                return f"{module.path}:{node.lineno}"
        if app in module.source.text and not any(
            item.module is module for item in context.settings.assignments
        ):
            for text in module.strings:
                if text.value == app or text.value.startswith(f"{app}."):
                    return f"{module.path}:{text.lineno}"
    return ""


def _with_django_q(old: cst.List | cst.Tuple) -> cst.List | cst.Tuple:
    elements = list(old.elements)
    mark = '"'
    gap: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
    if elements and isinstance(elements[0].value, cst.SimpleString):
        mark = elements[0].value.value[0] if elements[0].value.value[0] in "'\"" else mark
    bracket = old.lbracket if isinstance(old, cst.List) else (old.lpar[0] if old.lpar else None)
    space = bracket.whitespace_after if bracket is not None else None
    if isinstance(space, cst.ParenthesizedWhitespace):
        gap = cst.ParenthesizedWhitespace(indent=space.indent, last_line=space.last_line)
    last: cst.Comma | cst.MaybeSentinel = cst.MaybeSentinel.DEFAULT
    if elements:
        last = elements[-1].comma
        elements[-1] = elements[-1].with_changes(comma=cst.Comma(whitespace_after=gap))
    elements.append(cst.Element(cst.SimpleString(f"{mark}django_q{mark}"), comma=last))
    return old.with_changes(elements=elements)


EXAMPLES = (
    Example(
        "Celery's apps in, django_q not",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "INSTALLED_APPS = [\n    'shop',\n    'django_celery_beat',\n"
            "    'django_celery_results',\n    'mail',\n]\nCELERY_TIMEZONE = 'UTC'\n",
        },
        ("shop/settings.py:1", "shop/settings.py:3", "shop/settings.py:4"),
        {
            "shop/settings.py": "INSTALLED_APPS = [\n    'shop',\n    'mail',\n    'django_q',\n]\n"
            "CELERY_TIMEZONE = 'UTC'\n"
        },
    ),
    Example(
        "an app whose tables are read",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "INSTALLED_APPS = ['django_celery_beat', 'django_q']\n",
            "shop/a.py": "from django_celery_beat.models import PeriodicTask\n",
        },
        ("shop/settings.py:1",),
    ),
    Example(
        "apps that have nothing to do with it",
        {"shop/__init__.py": "", "shop/settings.py": "INSTALLED_APPS = ['shop']\n# celery\n"},
    ),
)
