# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The Compose files of a project, parsed: where each service stands and what refers to what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.cutover.django_q.plugins.module_utils.compose_draft import Draft, Source
from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import refuse
from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import (
    Entry,
    Node,
    effective,
    parse,
)


@dataclass
class Definition:
    """A service as one file, or one document of it, has it.

    Attributes:
        file: the file.
        document: the root of the document.
        services: the entry `services` of the root.
        entry: the service's entry in it.
    """

    file: ComposeFile
    document: Node
    services: Entry
    entry: Entry

    @property
    def name(self) -> str:
        """The service's name."""
        return self.entry.key.value

    @property
    def body(self) -> Node:
        """The service's mapping, an alias followed."""
        return self.entry.value.resolved


@dataclass
class ComposeFile:
    """A Compose file: its text, its documents and the changes to be made to it."""

    source: Source
    documents: list[Node]
    draft: Draft

    @property
    def name(self) -> str:
        """The file, as the project names it."""
        return self.source.name

    @classmethod
    def read(cls, name: str, text: str) -> ComposeFile:
        """Parse a file.

        Raises:
            Refusal: it is no YAML, or no Compose file.
        """
        source = Source(name, text)
        documents = [root for root in parse(name, source.text) if not root.null]
        for root in documents:
            if root.kind != "mapping":
                raise refuse(name, root.line, f"this is a {root.kind}", "a Compose file's mapping")
        return cls(source, documents, Draft(source))

    def definitions(self) -> Iterator[Definition]:
        """The services, in the order of the text.

        Raises:
            Refusal: `services` or a service is no mapping.
        """
        for root in self.documents:
            services = root.entry("services")
            if services is None or services.value.null:
                continue
            if services.value.kind != "mapping":
                raise refuse(
                    self.name,
                    services.key.line,
                    f"`services` is a {services.value.kind}",
                    "a mapping of services",
                )
            for entry in services.value.entries:
                body = entry.value.resolved
                if entry.key.value.startswith("x-") or entry.key.value == "<<":
                    continue
                if body.kind != "mapping" and not body.null:
                    raise refuse(
                        self.name,
                        entry.key.line,
                        f"the service `{entry.key.value}` is a {body.kind}",
                        "a mapping",
                    )
                yield Definition(self, root, services, entry)

    def aliases_of(self, document: Node) -> dict[int, list[Node]]:
        """The aliases of a document by the id of the node for which they stand."""
        users: dict[int, list[Node]] = {}
        for node in document.walk():
            if node.kind == "alias":
                users.setdefault(id(node.target), []).append(node)
        return users


@dataclass
class Project:
    """The files of a project in Compose's order.

    Attributes:
        files: those that are edited.
        reached: further files, which `include` or `extends` bring in; they are only read.
    """

    files: list[ComposeFile]
    reached: list[ComposeFile] = field(default_factory=list)

    def definitions(self, name: str | None = None) -> list[Definition]:
        """The definitions of a service, or of all, in Compose's order: later ones win."""
        return [
            definition
            for file in self.files
            for definition in file.definitions()
            if name is None or definition.name == name
        ]

    def names(self) -> list[str]:
        """The names of all services, each once, in the order of their first definition."""
        return list(dict.fromkeys(definition.name for definition in self.definitions()))

    def setting(self, name: str, key: str) -> tuple[Definition, Entry, bool] | None:
        """What a service has for a key: the definition and entry that win, and whether own.

        The last member is False when a merge key brings the entry in.
        """
        for definition in reversed(self.definitions(name)):
            if definition.body.kind != "mapping":
                continue
            found = effective(definition.body, key)
            if found is not None:
                own = definition.entry.value.kind == "mapping" and found[1] is definition.body
                return definition, found[0], own
        return None


def reached_paths(files: list[ComposeFile]) -> list[tuple[str, ComposeFile, int]]:
    """The files that `include` and `extends` name: path as written, by whom, in which line."""
    found = []
    for file in files:
        for root in file.documents:
            include = root.entry("include")
            if include is not None:
                for item in include.value.resolved.items:
                    for path in _include_paths(item.resolved):
                        found.append((path, file, item.line))
        for definition in file.definitions():
            extends = definition.body.entry("extends")
            if extends is not None and extends.value.resolved.kind == "mapping":
                path = extends.value.resolved.entry("file")
                if path is not None:
                    found.append((path.value.resolved.value, file, path.key.line))
    return found


def _include_paths(item: Node) -> list[str]:
    """The paths of one item of `include`, in its short or its long form."""
    if item.kind == "scalar":
        return [item.value]
    path = item.entry("path")
    if path is None:
        return []
    value = path.value.resolved
    return [node.resolved.value for node in value.items] if value.items else [value.value]
