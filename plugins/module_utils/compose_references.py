# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Taking services out of Compose files, and every reference to them."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.cutover.django_q.plugins.module_utils.compose_draft import Draft
from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import refuse
from ansible_collections.cutover.django_q.plugins.module_utils.compose_project import (
    ComposeFile,
    Definition,
    Project,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import (
    Entry,
    Node,
    effective,
    merged_mappings,
)

REFERENCES = ("depends_on", "links", "volumes_from")
# Keys in which another service can be meant with no way to do without it.
_NEEDS = ("network_mode", "pid", "ipc")


def target(key: str, value: str) -> str | None:
    """The service that an item of `depends_on`, `links` or `volumes_from` means."""
    parts = value.split(":")
    if key == "volumes_from" and parts[0] == "container":
        return None
    return parts[0]


@dataclass
class Emptied:
    """Keys to take out as a whole, because nothing would be left in them.

    Attributes:
        owners: the mapping by its id, with the entries of it that go.
    """

    owners: dict[int, tuple[Node, list[Entry]]] = field(default_factory=dict)

    def add(self, owner: Node, entry: Entry) -> None:
        """Note an entry of a mapping; the same one twice counts once."""
        entries = self.owners.setdefault(id(owner), (owner, []))[1]
        if entry not in entries:
            entries.append(entry)

    def of(self, owner: Node) -> list[Entry]:
        """The entries of a mapping that go."""
        return self.owners.get(id(owner), (owner, []))[1]


def strip(
    draft: Draft, owner: Node, entry: Entry, names: set[str], emptied: Emptied, shared: set[int]
) -> None:
    """Take references to services out of one `depends_on`, `links` or `volumes_from`.

    Args:
        draft: the changes to the file.
        owner: the mapping that holds the key.
        entry: the key with its value.
        names: the services that are dropped.
        emptied: takes up the entry when all it names is dropped.
        shared: ids of nodes for which an alias stands somewhere.

    Raises:
        Refusal: what would be left is empty and cannot be taken out.
    """
    key, value = entry.key.value, entry.value.resolved
    if value.kind == "sequence":
        gone = [item for item in value.items if target(key, item.resolved.value) in names]
        if not gone:
            return
        if len(gone) < len(value.items):
            draft.drop_items(value, gone)
            return
    elif value.kind == "mapping":
        for merged in merged_mappings(value):
            _strip_mapping(draft, merged, names, draft.source.name)
        own = [e for e in value.entries if e.key.value in names]
        if not own:
            return
        if len(own) < len(value.entries):
            draft.drop_entries(value, own)
            return
    else:
        return
    if entry.value.kind == "alias" or id(value) in shared:
        raise refuse(
            draft.source.name,
            value.line,
            f"the anchor `&{value.anchor}` would hold nothing once {_list(names)} are dropped",
            "an anchor with something left in it, or none",
            f"Take the anchor and the `{key}` that use it out of the file first",
        )
    emptied.add(owner, entry)


def _strip_mapping(draft: Draft, mapping: Node, names: set[str], file: str) -> None:
    """Take dropped services out of a mapping that a `depends_on` merges."""
    for merged in merged_mappings(mapping):
        _strip_mapping(draft, merged, names, file)
    gone = [entry for entry in mapping.entries if entry.key.value in names]
    if gone and len(gone) == len(mapping.entries):
        raise refuse(
            file,
            mapping.line,
            f"the anchor `&{mapping.anchor}` would hold nothing once {_list(names)} are dropped",
            "an anchor with something left in it, or none",
            "Take the anchor and the merge keys that use it out of the file first",
        )
    if gone:
        draft.drop_entries(mapping, gone)


def inherited_references(definition: Definition) -> list[tuple[Node, Entry]]:
    """The reference keys that hold for a service, with the mapping in which each stands."""
    found = []
    if definition.body.kind == "mapping":
        for key in REFERENCES:
            entry = effective(definition.body, key)
            if entry is not None:
                found.append((entry[1], entry[0]))
    return found


def check_needs(definition: Definition, names: set[str]) -> None:
    """Refuse where a service that stays cannot do without one that is dropped.

    Raises:
        Refusal: it shares a namespace with it or extends it.
    """
    if definition.body.kind != "mapping":
        return
    for key in _NEEDS:
        found = effective(definition.body, key)
        if found is None:
            continue
        value = found[0].value.resolved.value
        if value.startswith("service:") and value[len("service:") :] in names:
            raise refuse(
                definition.file.name,
                found[0].key.line,
                f"`{definition.name}` has `{key}: {value}`, which is to be dropped",
                "no service that stays needs a dropped one",
                f"Give `{definition.name}` another `{key}` first",
            )
    found = effective(definition.body, "extends")
    if found is None:
        return
    value = found[0].value.resolved
    if value.kind == "mapping":
        service, file = value.entry("service"), value.entry("file")
        name = service.value.resolved.value if service else ""
        other = file.value.resolved.value.removeprefix("./") if file else ""
    else:
        name, other = value.value, ""
    if name in names and other in ("", definition.file.name):
        raise refuse(
            definition.file.name,
            found[0].key.line,
            f"`{definition.name}` extends `{name}`, which is to be dropped",
            "no service that stays extends a dropped one",
            f"Move what they share to an `x-` block, or let `{name}` extend `{definition.name}`",
        )


def check_reached(file: ComposeFile, names: set[str]) -> None:
    """Refuse where a file that `include` or `extends` brings in has to do with a dropped service.

    Raises:
        Refusal: it defines one or refers to one.
    """
    for definition in file.definitions():
        if definition.name in names:
            raise refuse(
                file.name,
                definition.entry.key.line,
                f"the service `{definition.name}`, which is to be dropped, stands in a file "
                "that `include` or `extends` brings in",
                "it stands in one of the Compose files of the deployment",
                "Move it there, or drop it by hand and leave its name out of the variables",
            )
        check_needs(definition, names)
        for _owner, entry in inherited_references(definition):
            value = entry.value.resolved
            nodes = value.items or [e.key for e in value.entries]
            for node in nodes:
                if target(entry.key.value, node.resolved.value) in names:
                    raise refuse(
                        file.name,
                        node.line,
                        f"`{definition.name}` names `{node.resolved.value}`, which is to be "
                        "dropped, in a file that `include` or `extends` brings in",
                        "no file outside the deployment's Compose files names it",
                        "Take the reference out by hand first",
                    )


def drop(project: Project, names: set[str], moved: set[int], inserted: set[int]) -> list[str]:
    """Take services and all references to them out of a project's files.

    Args:
        project: the files; their drafts take up the changes.
        names: the services to drop.
        moved: ids of nodes whose anchors stand in the new text, at the same place.
        inserted: ids of `services` mappings that get a new service.

    Returns:
        The services that were found and dropped, in the order of the text.

    Raises:
        Refusal: it cannot be done safely.
    """
    found: list[str] = []
    for file in project.files:
        for document in file.documents:
            definitions = [d for d in file.definitions() if d.document is document]
            gone = [d for d in definitions if d.name in names]
            found += [d.name for d in gone]
            _check_anchors(file, document, gone, moved)
            emptied = Emptied()
            shared = set(file.aliases_of(document))
            for definition in definitions:
                if definition.name in names:
                    continue
                check_needs(definition, names)
                for owner, entry in inherited_references(definition):
                    strip(file.draft, owner, entry, names, emptied, shared)
            hollow = _drop_emptied(file, emptied, definitions, project)
            _drop_services(file, [*gone, *hollow], inserted)
    return list(dict.fromkeys(found))


def _drop_emptied(
    file: ComposeFile, emptied: Emptied, definitions: list[Definition], project: Project
) -> list[Definition]:
    """Take emptied keys out; returns the services of which nothing is left in this file."""
    hollow = []
    bodies = {id(d.entry.value): d for d in definitions}
    for owner, entries in emptied.owners.values():
        if len(entries) < len(owner.entries):
            file.draft.drop_entries(owner, entries)
            continue
        definition = bodies.get(id(owner))
        if definition is None or len(project.definitions(definition.name)) < 2:
            raise refuse(
                file.name,
                entries[0].key.line,
                f"nothing would be left beside `{entries[0].key.value}` here",
                "something that stays",
                "Take it out by hand first",
            )
        hollow.append(definition)
    return hollow


def _drop_services(file: ComposeFile, gone: list[Definition], inserted: set[int]) -> None:
    """Take services out of one document's `services`."""
    if not gone:
        return
    services = gone[0].services
    mapping = services.value
    entries = [d.entry for d in gone]
    if len(entries) < len(mapping.entries):
        file.draft.drop_entries(mapping, entries)
        return
    if mapping.flow:
        if id(mapping) not in inserted:
            file.draft.replace(mapping.start, mapping.end, "{}")
            return
        raise refuse(
            file.name,
            services.key.line,
            "all services of this flow mapping are to be dropped",
            "`services` in block style",
            "Write it with one service a line",
        )
    for entry in entries:
        file.draft.drop_entry(mapping, entry)
    if id(mapping) not in inserted:
        colon = file.source.text.index(":", services.key.end) + 1
        file.draft.replace(colon, colon, " {}")


def _check_anchors(
    file: ComposeFile, document: Node, gone: list[Definition], moved: set[int]
) -> None:
    """Refuse where a dropped service defines an anchor that others use.

    Raises:
        Refusal: with the place of the anchor and that of its first user.
    """
    inside = {id(node) for d in gone for node in d.entry.value.walk()}
    anchors = {id(n): (n, d) for d in gone for n in d.entry.value.walk() if n.anchor}
    for node in document.walk():
        if node.kind != "alias" or id(node) in inside or id(node.target) in moved:
            continue
        found = anchors.get(id(node.target))
        if found is not None and found[0].kind != "alias":
            anchor, definition = found
            raise refuse(
                file.name,
                anchor.line,
                f"`{definition.name}`, which is to be dropped, defines the anchor "
                f"`&{anchor.anchor}` that line {node.line} uses",
                "anchors that others use stand in a service that stays or in an `x-` block",
                "Move what it marks to an `x-` block at the top and let both use it",
            )


def _list(names: set[str]) -> str:
    """Names as a list in a sentence."""
    return ", ".join(f"`{name}`" for name in sorted(names))
