"""The index of a tree: modules by name, names through imports and re-exports."""

from __future__ import annotations

import ast
import re
import sys
from functools import cached_property

from celery2q.config import Config
from celery2q.index import FUNCTIONS, Binding, ModuleIndex
from celery2q.sources import Source, Tree

#: A Python file is parsed only when its text holds one of these.
MATTERS = re.compile(
    r"celery|kombu|shared_task|\.delay\b|apply_async|delay_on_commit|add_periodic_task|"
    r"async_task|\benqueue\b|q_task|django_q|Q_CLUSTER|CELERY|\.(?:si?|signature|subtask)\(|periodic_task|"
    r"\.apply\(|\.update_state\(|\bAsyncResult\b|^SECRET_KEY\b|^INSTALLED_APPS\b",
    re.MULTILINE,
)
#: What a loose script in a folder of the tree is not imported as, though it has the name.
FOREIGN = sys.stdlib_module_names | frozenset(
    "celery kombu django django_q redis croniter flower sentry_sdk".split()
)
#: The Python whose grammar decides: what is written for a newer one is no Python to it.
_READER = f"Python {sys.version_info.major}.{sys.version_info.minor}"
ROOT_MARKERS = ("manage.py", "setup.py", "pyproject.toml", "setup.cfg")


class Project:
    """A tree with everything the rules ask about it.

    Args:
        tree: the files.
        config: the project's own choices.
        before: the index of an older state, whose unchanged files are not parsed again.
    """

    def __init__(
        self, tree: Tree, config: Config | None = None, before: Project | None = None
    ) -> None:
        self.before = before
        self.tree = tree
        self.config = config or Config()
        self.by_module: dict[str, Source] = {}
        self.module_names: dict[str, str] = {}
        self._indexes: dict[str, ModuleIndex | None] = {}
        self._named: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
        self.parsed = 0
        for source in tree.files.values():
            if source.is_python:
                self._name(source)

    # -- modules ----------------------------------------------------------------------------

    def _name(self, source: Source) -> None:
        parts = source.path[:-3].split("/")
        start = len(parts) - 1
        while start > 0 and "/".join([*parts[:start], "__init__.py"]) in self.tree.files:
            start -= 1
        start = self._namespace(parts, start)
        names = parts[start:]
        if names[-1] == "__init__":
            names = names[:-1] or parts[-2:-1]
        name = ".".join(names)
        self.module_names[source.path] = name
        if start and len(names) == 1 and name in FOREIGN and source.name != "__init__.py":
            return  # `deploy/celery.py` is not what `import celery` gives
        self.by_module.setdefault(name, source)

    def _namespace(self, parts: list[str], start: int) -> int:
        """Folders without __init__ count where a project's root stands above and code says so."""
        for index in range(start - 1, -1, -1):
            folder = "/".join(parts[:index])
            prefix = f"{folder}/" if folder else ""
            if f"{prefix}manage.py" in self.tree.files and parts[index] != "src":
                first = ".".join(parts[index : start + 1])
                return index if first in self._imported_text else start
        return start

    @cached_property
    def _imported_text(self) -> set[str]:
        found: set[str] = set()
        pattern = re.compile(r"^\s*(?:from|import)\s+([\w.]+)", re.MULTILINE)
        for source in self.tree.files.values():
            if source.is_python:
                for name in pattern.findall(source.text):
                    parts = name.split(".")
                    found.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
        return found

    def index(self, path: str) -> ModuleIndex | None:
        """A file parsed (once); None when it is no Python 3, which is named as a problem."""
        if path not in self._indexes:
            source = self.tree.files[path]
            name = self.module_names[path]
            old = self.before._indexes.get(path) if self.before is not None else None
            if old is not None and old.source is source and old.name == name:
                self._indexes[path] = old
                return old
            try:
                self._indexes[path] = ModuleIndex(source, name, source.name == "__init__.py")
                self.parsed += 1
            except SyntaxError as error:
                line = f"line {error.lineno}: " if error.lineno else ""
                self.tree.problem(path, f"no Python 3 that {_READER} can read ({line}{error.msg})")
                self._indexes[path] = None
            except (ValueError, RecursionError, MemoryError) as error:
                self.tree.problem(path, f"cannot be parsed: {error}")
                self._indexes[path] = None
        return self._indexes[path]

    def module(self, name: str) -> ModuleIndex | None:
        """A module of the tree by its dotted name."""
        source = self.by_module.get(name)
        return self.index(source.path) if source else None

    @cached_property
    def modules(self) -> list[ModuleIndex]:
        """The modules whose text can matter, in path order."""
        first = [
            source.path
            for source in self.tree.files.values()
            if source.is_python and MATTERS.search(source.text)
        ]
        found = [module for path in first if (module := self.index(path))]
        return found

    def related(self, names: set[str]) -> list[ModuleIndex]:
        """Further modules that use one of these names (tasks, decorators) as a word."""
        if not names:
            return []
        known = {module.path for module in self.modules}
        pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, sorted(names))) + r")\b")
        return [
            module
            for source in self.tree.files.values()
            if source.is_python and source.path not in known and pattern.search(source.text)
            if (module := self.index(source.path))
        ]

    def functions_named(self, name: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
        """Every function and method of a name in the whole tree, read on first use."""
        if name not in self._named:
            pattern = re.compile(rf"\bdef {name}\b")
            self._named[name] = [
                node
                for source in self.tree.files.values()
                if source.is_python and pattern.search(source.text)
                for node in _functions(source.text)
                if node.name == name
            ]
        return self._named[name]

    @cached_property
    def packages(self) -> frozenset[str]:
        """The top-level packages and modules of the tree itself."""
        return frozenset(name.split(".")[0] for name in self.by_module)

    # -- names ------------------------------------------------------------------------------

    def split(self, dotted: str) -> tuple[ModuleIndex | None, str]:
        """The longest module of the tree in a dotted name, and what is left of it."""
        parts = dotted.split(".")
        for end in range(len(parts), 0, -1):
            name = ".".join(parts[:end])
            if name in self.by_module:
                return self.module(name), ".".join(parts[end:])
        return None, dotted

    def canonical(self, dotted: str, depth: int = 0) -> str:
        """Follow imports and re-exports to where a name is defined.

        Names from outside the tree come back as they are (`celery.shared_task`).
        """
        module, rest = self.split(dotted)
        if module is None or not rest or depth > 12:
            return dotted
        head, _, tail = rest.partition(".")
        found = module.top.get(head)
        target = ""
        if found is not None and found.kind == "import":
            target = found.target
        elif (
            found is not None
            and found.kind == "assign"
            and isinstance(found.node, ast.Name | ast.Attribute)
        ):
            target = module.dotted(found.node) or ""
        elif found is None:
            for star in module.stars:
                other = self.module(star)
                if other is not None and (head in other.top or other.stars):
                    target = f"{star}.{head}"
                    break
        if not target or target == dotted:
            return dotted
        return self.canonical(f"{target}.{tail}" if tail else target, depth + 1)

    def resolve(self, module: ModuleIndex, node: ast.AST) -> str | None:
        """The canonical dotted name of an expression, or None."""
        dotted = module.dotted(node)
        return self.canonical(dotted) if dotted else None

    def definition(self, dotted: str) -> tuple[ModuleIndex, Binding] | None:
        """Where a canonical name (module.name) is bound at a module's top."""
        module, rest = self.split(dotted)
        if module is None or not rest or "." in rest:
            return None
        found = module.top.get(rest)
        return (module, found) if found else None

    @cached_property
    def sorted_paths(self) -> list[str]:
        """All paths, sorted."""
        return sorted(self.tree.files)


def _functions(text: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    try:
        return [node for node in ast.walk(ast.parse(text)) if isinstance(node, FUNCTIONS)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
