"""Sentry's Celery integration fails at start as soon as Celery is gone, and only in production.

It is taken out of the list of integrations, with its import.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import libcst as cst

from celery2q.context import Context, Example
from celery2q.findings import Edit, Finding, Level

RULE = "sentry-integration"
KIND = "settings"
NAME = "sentry_sdk.integrations.celery.CeleryIntegration"


def check(context: Context) -> Iterator[Finding]:
    """Find its uses."""
    for module in context.modules:
        if "CeleryIntegration" not in module.source.text:
            continue
        for node in [*module.loads, *module.attributes]:
            if not isinstance(node.ctx, ast.Load) or module.dotted(node) != NAME:
                continue
            whole: ast.AST = node
            parent = module.parents[node]
            if isinstance(parent, ast.Call) and parent.func is node:
                whole, parent = parent, module.parents[parent]
            edits: list[Edit] = []
            if isinstance(parent, ast.List | ast.Tuple):
                names = [n.id for n in ast.walk(whole) if isinstance(n, ast.Name)]
                edits = [
                    module.edit("Element", whole, lambda _: cst.RemoveFromParent(), drops=names)
                ]
            yield context.at(
                RULE,
                Level.ERROR,
                module,
                node,
                "Sentry's CeleryIntegration is used, which needs the celery package.",
                "Take it out; Django-Q2 reports through Q_CLUSTER['error_reporter'] or logging.",
                edits,
            )


EXAMPLES = (
    Example(
        "in a list of integrations",
        {
            "shop/settings.py": "import sentry_sdk\n"
            "from sentry_sdk.integrations.celery import CeleryIntegration\n"
            "from sentry_sdk.integrations.django import DjangoIntegration\n\n"
            "sentry_sdk.init(integrations=[DjangoIntegration(), CeleryIntegration(a=1)])\n"
        },
        ("shop/settings.py:5",),
        {
            "shop/settings.py": "import sentry_sdk\n"
            "from sentry_sdk.integrations.django import DjangoIntegration\n\n"
            "sentry_sdk.init(integrations=[DjangoIntegration()])\n"
        },
    ),
    Example(
        "another integration",
        {"shop/a.py": "# celery\nfrom x import CeleryIntegration\nCeleryIntegration()\n"},
    ),
)
