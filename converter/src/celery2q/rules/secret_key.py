"""A SECRET_KEY that is made anew in each process.

Django-Q2 signs its queue with it and deletes rows that it cannot verify: what web sends, the
cluster throws away.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.index import ModuleIndex

RULE = "secret-key"
MADE = re.compile(
    r"get_random_secret_key|get_random_string|urandom|token_hex|token_urlsafe|token_bytes|"
    r"uuid[14]|random\.\w+|secrets\."
)


def check(context: Context) -> Iterator[Finding]:
    """Look at every SECRET_KEY of the settings."""
    for module in context.modules:
        if _has_no_apps(module):
            continue
        for node in ast.walk(module.tree):
            if not (isinstance(node, ast.Assign) and len(node.targets) == 1):
                continue
            target = node.targets[0]
            if not (isinstance(target, ast.Name) and target.id == "SECRET_KEY"):
                continue
            calls = [inner for inner in ast.walk(node.value) if isinstance(inner, ast.Call)]
            if any(MADE.search(module.text(call.func)) for call in calls) and not _kept(
                module, node
            ):
                yield context.at(
                    RULE,
                    Level.ERROR,
                    module,
                    node,
                    "SECRET_KEY is made anew in each process; a cluster deletes the tasks that "
                    "another process signed.",
                    "Give every container the same key.",
                )


def _has_no_apps(module: ModuleIndex) -> bool:
    """Whether settings install no app at all: they are a tool's, no cluster runs with them."""
    found = module.top.get("INSTALLED_APPS")
    return found is not None and isinstance(found.node, ast.List) and not found.node.elts


def _kept(module: ModuleIndex, node: ast.Assign) -> bool:
    """Whether the block writes the key to a file, where the next process finds it."""
    parent = module.parents[node]
    return not isinstance(parent, ast.Module) and any(
        isinstance(inner, ast.Attribute) and inner.attr in ("write", "write_text")
        for inner in ast.walk(parent)
    )


EXAMPLES = (
    Example(
        "made at start, also as a default",
        {
            "shop/settings.py": "import os\nfrom django.core.management.utils import "
            "get_random_secret_key\n\nSECRET_KEY = get_random_secret_key()\n"
            "SECRET_KEY = os.environ.get('KEY', get_random_secret_key())\n"
        },
        ("shop/settings.py:4", "shop/settings.py:5"),
    ),
    Example(
        "made once and kept in a file",
        {
            "shop/settings.py": "import secrets\n\nif FILE.exists():\n"
            "    SECRET_KEY = FILE.read_text()\n"
            "else:\n    SECRET_KEY = secrets.token_hex()\n    FILE.write_text(SECRET_KEY)\n"
        },
    ),
    Example(
        "settings of a tool, which install no app",
        {"tool/settings.py": "import uuid\n\nSECRET_KEY = uuid.uuid4()\nINSTALLED_APPS = []\n"},
    ),
    Example("given", {"shop/settings.py": "import os\n\nSECRET_KEY = os.environ['KEY']\n"}),
)
