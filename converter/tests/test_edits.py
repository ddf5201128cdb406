"""Text around an edit stays byte for byte; imports come and go where they belong."""

import pytest

from celery2q.imports import add_imports, drop_imports
from celery2q.slices import rewrite_lines

OWN = frozenset(("shop", "mail"))
ASYNC = ("django_q.tasks", "async_task")
HELPER = ("shop.q_tasks", "enqueue")

ADDED = {
    "beside Django's": (
        "import os\n\nfrom django.db import models\nfrom rest_framework import views\n\nx = 1\n",
        ASYNC,
        "import os\n\nfrom django.db import models\nfrom django_q.tasks import async_task\n"
        "from rest_framework import views\n\nx = 1\n",
    ),
    "into an import that is there": (
        "from django_q.tasks import schedule\n\nx = 1\n",
        ASYNC,
        "from django_q.tasks import async_task, schedule\n\nx = 1\n",
    ),
    "not twice": (
        "from django_q.tasks import async_task\n",
        ASYNC,
        "from django_q.tasks import async_task\n",
    ),
    "in order among the project's own": (
        "import os\n\nfrom mail import jobs\nfrom shop.views import view\n",
        HELPER,
        "import os\n\nfrom mail import jobs\nfrom shop.q_tasks import enqueue\n"
        "from shop.views import view\n",
    ),
    "before the project's own": (
        "import os\n\nfrom shop import jobs\n",
        ASYNC,
        "import os\n\nfrom django_q.tasks import async_task\n\nfrom shop import jobs\n",
    ),
    "before relative ones": (
        "from . import jobs\n",
        HELPER,
        "from shop.q_tasks import enqueue\nfrom . import jobs\n",
    ),
    "after the docstring": ('"""Doc."""\n\nx = 1\n', ASYNC,
        '"""Doc."""\n\nfrom django_q.tasks import async_task\n\nx = 1\n'),
    "after __future__": ("from __future__ import annotations\n\nx = 1\n", ASYNC,
        "from __future__ import annotations\n\nfrom django_q.tasks import async_task\n\nx = 1\n"),
    "into a file without any": ("x = 1\n", ASYNC,
        "from django_q.tasks import async_task\n\nx = 1\n"),
    "under another name": ("import os\n", ("shop.q_tasks", "enqueue as q_enqueue"),
        "import os\n\nfrom shop.q_tasks import enqueue as q_enqueue\n"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "need", "after"), ADDED.values(), ids=ADDED)
def test_add(code: str, need: tuple[str, str], after: str):
    assert add_imports(code, [need], OWN) == after
    assert add_imports(after, [need], OWN) == after


DROPPED = {
    "a whole import": ("import os\nfrom a import x\n\ny = os\n", "import os\n\ny = os\n"),
    "one name of several": ("from a import (\n    x,\n    y,\n)\n\ny()\n",
        "from a import (\n    y,\n)\n\ny()\n"),
    "the last name": ("from a import y, x\n\ny()\n", "from a import y\n\ny()\n"),
    "not one that is used": ("from a import x\n\nx()\n", "from a import x\n\nx()\n"),
    "not one that __all__ names": ("from a import x\n\n__all__ = ['x']\n",
        "from a import x\n\n__all__ = ['x']\n"),
    "not one that an annotation names": ("from a import x\n\n\ndef f(y: 'x'):\n    pass\n",
        "from a import x\n\n\ndef f(y: 'x'):\n    pass\n"),
    "one whose name is an argument elsewhere": ("from a import x\n\n\ndef f(x):\n    return x\n",
        "def f(x):\n    return x\n"),
    "inside a function only": ("def f():\n    from a import x\n\n    return 1\n\n\ndef g():\n"
        "    from a import x\n\n    return x\n",
        "def f():\n\n    return 1\n\n\ndef g():\n    from a import x\n\n    return x\n"),
    "the only statement of a block": ("try:\n    from a import x\nexcept ImportError:\n    pass\n",
        "try:\n    pass\nexcept ImportError:\n    pass\n"),
}  # fmt: skip


@pytest.mark.parametrize(("code", "after"), DROPPED.values(), ids=DROPPED)
def test_drop(code: str, after: str):
    assert drop_imports(code, ["x"]) == after


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_only_the_statements_that_are_wanted_are_rewritten(end: str):
    text = "a = 1   # odd  \n\n\nclass  B :\n  x=[ 1,2 ]\n\nc = 3\n".replace("\n", end)
    seen = []

    def rewrite(module, start):
        seen.append((start, module.code))
        return module

    assert rewrite_lines(text, [5], rewrite) == text
    assert [start for start, _ in seen] == [4]
    assert seen[0][1] == f"class  B :{end}  x=[ 1,2 ]{end}"
