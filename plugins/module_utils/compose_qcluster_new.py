# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A new qcluster service, written after the model of the Celery worker.

The worker's own text is taken, so that comments, quotes, merge keys and order are those of the
file; what belongs to Celery or to the one container is left out or put anew.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import compose_environment
from ansible_collections.cutover.django_q.plugins.module_utils import compose_render as render
from ansible_collections.cutover.django_q.plugins.module_utils.compose_command import (
    launcher_doubts,
    words_of,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_draft import Draft
from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import (
    NOTE,
    WARNING,
    Finding,
    Refusal,
    refuse,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_model import (
    NOT_COPIED,
    Cluster,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_project import (
    Definition,
    Project,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_qcluster_wish import (
    Wish,
    settings_for,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_references import (
    REFERENCES,
    Emptied,
    strip,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import (
    Entry,
    Node,
    effective,
)


class NewService:
    """Writes one new service into the files in which its model stands."""

    def __init__(
        self, project: Project, model: str, cluster: Cluster, queue: str, names: set[str]
    ) -> None:
        self.project = project
        self.model = model
        self.cluster = cluster
        self.queue = queue
        self.names = names
        self.findings: list[Finding] = []
        self.moved: set[int] = set()
        self.inserted: set[int] = set()

    def write(self, wish: Wish, keep_anchors: bool) -> None:
        """Put the new service at the model's place in each file that defines the model.

        Args:
            wish: what it should be like.
            keep_anchors: whether anchors in the copied text stay: once, as the model goes.
        """
        values = settings_for(self.project, self.model, self.cluster.name, wish)
        self.cluster.like = self.model
        self.cluster.settings = dict(values)
        if self.queue:
            self.cluster.environment = {"Q_CLUSTER_NAME": self.queue}
        definitions = self.project.definitions(self.model)
        self._remark(definitions)
        for index, definition in enumerate(definitions):
            text = self._text(definition, values, index == 0, keep_anchors)
            if text:
                self._place(definition, text)

    def _remark(self, definitions: list[Definition]) -> None:
        """Say what of the model the new service does not get, or gets for good or ill."""
        command = self.project.setting(self.model, "command")
        if command is not None:
            for doubt in launcher_doubts(words_of(command[1].value.resolved)):
                self._find(WARNING, command[0], command[1].key.line, doubt)
        for definition in definitions:
            for key in ("container_name", "hostname"):
                entry = definition.body.entry(key)
                if entry is not None and key not in self.cluster.settings:
                    self._find(
                        NOTE,
                        definition,
                        entry.key.line,
                        f"`{self.cluster.name}` gets no `{key}`; `{self.model}` had one",
                    )
            profiles = definition.body.entry("profiles")
            if profiles is not None:
                self._find(
                    WARNING,
                    definition,
                    profiles.key.line,
                    f"`{self.cluster.name}` stands in the profiles of `{self.model}`: "
                    "it starts only when one of them is active or it is named",
                )

    def _find(self, level: str, definition: Definition, line: int, found: str) -> None:
        self.findings.append(Finding(level, definition.file.name, line, found))

    def _text(
        self, definition: Definition, values: dict[str, Any], main: bool, keep_anchors: bool
    ) -> str:
        """The service as whole lines, or as one member of a flow mapping; empty for nothing."""
        body = definition.entry.value
        if definition.services.value.flow or body.flow:
            return self._flow_text(definition, values, main)
        source = definition.file.source
        indent = source.column(definition.entry.start)
        head = " " * indent + render.key(self.cluster.name, self._quoted(definition)) + ":"
        if body.kind != "mapping":
            step = indent or 2
            lines = ""
            if body.kind == "alias":
                lines = f"{' ' * (indent + step)}<<: *{body.anchor}{source.newline}"
            lines += self._blocks(definition, values if main else {}, indent + step, step)
            return head + source.newline + lines if lines else ""
        column = source.column(body.entries[0].start)
        step = column - indent
        draft = Draft(source)
        emptied = Emptied()
        pending = dict(values) if main else {}
        gone: list[Entry] = []
        for entry in body.entries:
            key = entry.key.value
            lines = source.block_lines(entry.start, entry.end, column)
            if key in REFERENCES:
                strip(draft, body, entry, self.names, emptied, set())
            elif key in values and not main:
                gone.append(entry)
            elif key in pending:
                text = self._blocks(definition, {key: pending.pop(key)}, column, step)
                draft.insert(lines[0], text)
                gone.append(entry)
            elif key in NOT_COPIED and not _stays(key, entry):
                gone.append(entry)
            elif key == "environment" and main and self.queue:
                self._environment(draft, definition, entry, column, step, gone)
        if main and self.queue and body.entry("environment") is None:
            inherited = effective(body, "environment")
            node = inherited[0].value if inherited else None
            self._end_with(draft, definition, self._variable(definition, node, column, step))
        gone += emptied.of(body)
        if len(gone) < len(body.entries):
            draft.drop_entries(body, gone)
        elif not main:
            return ""
        else:
            for entry in gone:
                draft.drop_entry(body, entry)
        copied = [entry for entry in body.entries if entry not in gone]
        self._check_aliases(definition, copied)
        if keep_anchors:
            self.moved |= {id(n) for e in copied for n in e.value.walk() if n.anchor}
        else:
            self._forget_anchors(draft, copied)
        self._end_with(draft, definition, self._blocks(definition, pending, column, step))
        draft.tidy()
        first = source.line_of(definition.entry.key.end) + 1
        after = source.line_of(max(body.end - 1, 0)) + 1
        text = draft.render(first, after)
        return head + source.newline + text.lstrip("\r\n") if text.strip() else ""

    def _blocks(
        self, definition: Definition, values: dict[str, Any], column: int, step: int
    ) -> str:
        """Keys and values as whole lines."""
        newline, quoted = definition.file.source.newline, self._quoted(definition)
        return "".join(
            render.block(key, value, column, step, newline, quoted) for key, value in values.items()
        )

    def _quoted(self, definition: Definition) -> bool:
        """Whether the file quotes its keys."""
        return definition.file.source.text[definition.entry.start] == '"'

    def _variable(
        self, definition: Definition, environment: Node | None, column: int, step: int
    ) -> str:
        """The key `environment` with the variable that names the cluster."""
        return compose_environment.as_lines(
            definition.file.source, environment, "Q_CLUSTER_NAME", self.queue, column, step
        )

    def _environment(
        self,
        draft: Draft,
        definition: Definition,
        entry: Entry,
        column: int,
        step: int,
        gone: list[Entry],
    ) -> None:
        """Add the variable that names the cluster to the model's own `environment`."""
        value = entry.value
        if value.kind in ("mapping", "sequence") and (value.entries or value.items):
            compose_environment.add(draft, value, "Q_CLUSTER_NAME", self.queue)
            return
        lines = draft.source.block_lines(entry.start, entry.end, column)
        draft.insert(lines[0], self._variable(definition, value, column, step))
        gone.append(entry)

    def _end_with(self, draft: Draft, definition: Definition, text: str) -> None:
        """Put lines at the end of the service."""
        if text:
            draft.insert(draft.source.line_of(max(definition.entry.value.end - 1, 0)) + 1, text)

    def _check_aliases(self, definition: Definition, copied: list[Entry]) -> None:
        """Refuse where the copied text uses an anchor that does not come along.

        Raises:
            Refusal: the anchor stands in a service that is dropped, or in what is left out.
        """
        here = {id(node) for entry in copied for node in entry.value.walk()}
        lost: dict[int, str] = {
            id(node): other.name
            for other in definition.file.definitions()
            if other.name in self.names
            for node in other.entry.value.walk()
            if node.anchor and node.kind != "alias"
        }
        for entry in copied:
            for node in entry.value.walk():
                if node.kind == "alias" and id(node.target) in lost and id(node.target) not in here:
                    raise refuse(
                        definition.file.name,
                        node.line,
                        f"`{self.model}`, after which `{self.cluster.name}` is modelled, uses "
                        f"the anchor `&{node.anchor}` of `{lost[id(node.target)]}`, "
                        "which is to be dropped",
                        "anchors that others use stand in a service that stays or in an `x-` block",
                        "Move what it marks to an `x-` block at the top and let both use it",
                    )

    def _forget_anchors(self, draft: Draft, copied: list[Entry]) -> None:
        """Take the anchors out of copied text: an anchor is defined once."""
        inside = {
            id(node.target)
            for entry in copied
            for node in entry.value.walk()
            if node.kind == "alias"
        }
        for entry in copied:
            for node in entry.value.walk():
                if node.anchor and node.kind != "alias" and id(node) not in inside:
                    mark = f"&{node.anchor}"
                    start = draft.source.text.index(mark, node.start)
                    end = start + len(mark)
                    if draft.source.text[end : end + 1] == " ":
                        end += 1
                    elif draft.source.text[start - 1] == " ":
                        start -= 1
                    draft.replace(start, end, "")

    def _flow_text(self, definition: Definition, values: dict[str, Any], main: bool) -> str:
        """The service in flow style, for files and services that are written so."""
        source, body = definition.file.source, definition.body
        quoted = self._quoted(definition) or (
            bool(body.entries) and source.text[body.entries[0].start] == '"'
        )
        draft, emptied = Draft(source), Emptied()
        pending = dict(values) if main else {}
        members: list[str] = []
        for entry in body.entries:
            key = entry.key.value
            if key in REFERENCES:
                strip(draft, body, entry, self.names, emptied, set())
                if entry in emptied.of(body):
                    continue
            elif key in values and not main:
                continue
            elif key in pending:
                members.append(
                    f"{render.key(key, quoted)}: {render.flow(pending.pop(key), quoted)}"
                )
                continue
            elif key in NOT_COPIED and not _stays(key, entry):
                continue
            elif key == "environment" and main and self.queue:
                if entry.value.kind == "alias":
                    raise self._too_flat(definition)
                compose_environment.add(draft, entry.value, "Q_CLUSTER_NAME", self.queue)
            members.append(_changed(draft, entry.start, entry.end))
        if main and self.queue and body.entry("environment") is None:
            if effective(body, "environment") is not None:
                raise self._too_flat(definition)
            pending["environment"] = {"Q_CLUSTER_NAME": self.queue}
        members += [
            f"{render.key(key, quoted)}: {render.flow(value, quoted)}"
            for key, value in pending.items()
        ]
        if not members:
            return ""
        member = f"{render.key(self.cluster.name, quoted)}: {{{', '.join(members)}}}"
        if definition.services.value.flow:
            return member
        return " " * source.column(definition.entry.start) + member + source.newline

    def _too_flat(self, definition: Definition) -> Refusal:
        """The refusal of a service in one line whose environment comes from elsewhere."""
        return refuse(
            definition.file.name,
            definition.entry.key.line,
            f"`{self.model}` is written in flow style and its environment is merged in",
            "block style, so that Q_CLUSTER_NAME can be added",
            "Write the service with one key a line",
        )

    def _place(self, definition: Definition, text: str) -> None:
        """Put the service's text at the model's place."""
        draft, source = definition.file.draft, definition.file.source
        services, entry = definition.services.value, definition.entry
        self.inserted.add(id(services))
        if services.flow:
            kept = [e for e in services.entries if e.key.value not in self.names]
            if not kept:
                raise refuse(
                    source.name,
                    definition.services.key.line,
                    "all services of this flow mapping are to be dropped",
                    "`services` in block style",
                    "Write it with one service a line",
                )
            last = kept[-1]
            gap = " "
            if source.first_on_line(last.start):
                gap = source.newline + " " * source.column(last.start)
            draft.replace(last.end, last.end, f",{gap}{text}")
            return
        column = source.column(entry.start)
        first, after = source.block_lines(entry.start, entry.end, column)
        spaced = (first > 0 and source.blank(first - 1)) or (
            after < source.count and source.blank(after)
        )
        if draft.inserted.get(first) and spaced:
            text = source.newline + text
        if self.model not in self.names:
            text += source.newline if spaced else ""
        draft.insert(first, text)


def _stays(key: str, entry: Entry) -> bool:
    """Whether a key that is not copied as a rule stays, since it takes back what a merge brings."""
    value = entry.value.resolved
    if key in ("ports", "expose"):
        return not value.items
    return key == "init" and value.value.lower() == "false"


def _changed(draft: Draft, start: int, end: int) -> str:
    """A range of a source with the draft's replacements in it made."""
    parts, at = [], start
    for low, high, text in sorted(draft.replaced):
        if start <= low and high <= end:
            parts += [draft.source.text[at:low], text]
            at = high
    return "".join([*parts, draft.source.text[at:end]])
