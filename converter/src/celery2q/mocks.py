"""What a test asks of the mock of an `.apply_async`, and how it asks the mock of the task."""

from __future__ import annotations

import ast
from dataclasses import dataclass

import libcst as cst

from celery2q.findings import Edit
from celery2q.index import FUNCTIONS, ModuleIndex

ASKS_LITTLE = frozenset(
    "called call_count assert_called assert_called_once assert_not_called reset_mock "
    "side_effect return_value".split()
)
ASSERTS = frozenset(("assert_called_with", "assert_called_once_with", "assert_any_call"))


@dataclass(frozen=True)
class Assertion:
    """One `mock.assert_called_with(args=…, kwargs=…, …)`.

    Attributes:
        call: the call.
        args: the task's own arguments, as source.
        lost: what it says of options, as source; the mock of the task is not given them.
    """

    call: ast.Call
    args: tuple[str, ...]
    lost: tuple[str, ...]

    def edit(self, module: ModuleIndex) -> Edit:
        """The same assertion of the mock that is called with the task's own arguments."""
        text = f"f({', '.join(self.args)})"

        def replace(old: cst.Call) -> cst.Call:
            return old.with_changes(args=cst.parse_expression(text).args)  # type: ignore[attr-defined]

        return module.edit("Call", self.call, replace)


def assertions(module: ModuleIndex, patch: ast.Call) -> list[Assertion] | None:
    """The assertions about arguments that a test makes of its mock.

    Args:
        module: the test's module.
        patch: the `patch(…)` that makes the mock.

    Returns:
        Them; None where the test asks something else that a mock of the task answers otherwise.
    """
    place = _mock(module, patch)
    if place is None:
        return None
    name, scope = place
    found = []
    for node in ast.walk(scope) if name else ():
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            user = module.parents[node]
            if not isinstance(user, ast.Attribute):
                return None
            if user.attr in ASKS_LITTLE:
                continue
            call = module.parents[user]
            assertion = (
                _assertion(module, call)
                if user.attr in ASSERTS and isinstance(call, ast.Call) and call.func is user
                else None
            )
            if assertion is None:
                return None
            found.append(assertion)
    return found


def _mock(module: ModuleIndex, patch: ast.Call) -> tuple[str, ast.AST] | None:
    """The name of a patch's mock and where it holds; "" where none is kept, None if unknown."""
    parent = module.parents[patch]
    if isinstance(parent, ast.withitem):
        if parent.optional_vars is None:
            return "", parent
        if isinstance(parent.optional_vars, ast.Name):
            return parent.optional_vars.id, module.parents[parent]
        return None
    if not isinstance(parent, FUNCTIONS):
        return None
    gives = [_gives_a_mock(module, item) for item in parent.decorator_list]
    if None in gives or not isinstance(patch, ast.Call):
        return None
    # the innermost decorator, the last one, gives the first argument
    place = sum(map(bool, gives[parent.decorator_list.index(patch) + 1 :]))
    names = [item.arg for item in parent.args.args if item.arg not in ("self", "cls")]
    return (names[place], parent) if place < len(names) else None


def _gives_a_mock(module: ModuleIndex, decorator: ast.expr) -> bool | None:
    """Whether a decorator gives the test an argument; None where that cannot be told."""
    text = module.text(decorator.func if isinstance(decorator, ast.Call) else decorator)
    if "patch" not in text:
        return False
    if not isinstance(decorator, ast.Call):
        return None
    given = len(decorator.args) + any(item.arg == "new" for item in decorator.keywords)
    if text.endswith("patch.object"):
        return given == 2
    if text.endswith("patch"):
        return given == 1
    return False if text.endswith("patch.dict") else None


def _assertion(module: ModuleIndex, call: ast.Call) -> Assertion | None:
    given = dict(zip(("args", "kwargs"), call.args, strict=False))
    if len(call.args) > 2 or any(isinstance(item, ast.Starred) for item in call.args):
        return None
    lost = []
    for keyword in call.keywords:
        if keyword.arg is None:
            return None
        if keyword.arg in ("args", "kwargs"):
            given[keyword.arg] = keyword.value
        else:
            lost.append(f"{keyword.arg}={module.text(keyword.value)}")
    args = _positional(module, given.get("args")) + _named(module, given.get("kwargs"))
    return Assertion(call, tuple(args), tuple(lost))


def _positional(module: ModuleIndex, node: ast.expr | None) -> list[str]:
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return []
    if isinstance(node, ast.List | ast.Tuple):
        return [module.text(item) for item in node.elts]
    return [f"*{module.text(node)}"]


def _named(module: ModuleIndex, node: ast.expr | None) -> list[str]:
    if node is None or (isinstance(node, ast.Constant) and node.value is None):
        return []
    if isinstance(node, ast.Dict):
        keys = [getattr(key, "value", None) for key in node.keys]
        if all(isinstance(key, str) and key.isidentifier() for key in keys):
            return [
                f"{key}={module.text(value)}" for key, value in zip(keys, node.values, strict=True)
            ]
    return [f"**{module.text(node)}"]
