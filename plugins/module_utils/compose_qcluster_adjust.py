# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A qcluster service that is there already: what is wrong with it is put right, no more."""

from __future__ import annotations

from typing import Any

from ansible_collections.cutover.django_q.plugins.module_utils import compose_environment
from ansible_collections.cutover.django_q.plugins.module_utils import compose_render as render
from ansible_collections.cutover.django_q.plugins.module_utils.compose_command import (
    judge,
    shell_script,
    without_name,
    words_of,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import (
    NOTE,
    WARNING,
    Finding,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_healthcheck import (
    healthcheck,
    works,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_model import (
    Cluster,
    seconds,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_project import (
    Definition,
    Project,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_qcluster_wish import (
    RESTARTS,
    Wish,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_yaml import Entry, Node


class ExistingService:
    """Adjusts one service in the files in which it stands."""

    def __init__(self, project: Project, cluster: Cluster, queue: str) -> None:
        self.project = project
        self.cluster = cluster
        self.queue = queue
        self.findings: list[Finding] = []

    def adjust(self, wish: Wish) -> None:
        """Put right what is wrong: command, restart, grace, health check, the cluster's name."""
        values: dict[str, Any] = {}
        words = self._command(values, wish)
        restart = self._scalar("restart")
        if restart is None or (restart not in RESTARTS and "$" not in restart):
            values["restart"] = "unless-stopped"
        elif "$" in restart:
            self._note("restart", f"expected it to be one of {', '.join(RESTARTS)}")
        grace = self._scalar("stop_grace_period")
        if grace is not None and "$" in grace:
            self._note("stop_grace_period", f"expected at least {wish.stop_grace_period}")
        elif grace is None or (seconds(grace) or 0) < (seconds(wish.stop_grace_period) or 0):
            values["stop_grace_period"] = wish.stop_grace_period
        check = self.project.setting(self.cluster.name, "healthcheck")
        if check is None or not works(check[1].value.resolved, check[2]):
            values["healthcheck"] = healthcheck(words, wish.start_interval)
        init = self._scalar("init")
        if init is not None and init.lower() == "true":
            self._note("init", "qcluster needs none: as PID 1 it takes SIGTERM and drains")
        for key, value in values.items():
            self._set(key, value)
        self.cluster.settings = values
        self._name_cluster()

    def _command(self, values: dict[str, Any], wish: Wish) -> list[str]:
        """Judge the command; returns that by which the health check is written."""
        parts: dict[str, tuple[Definition, Entry, bool]] = {}
        for key in ("entrypoint", "command"):
            found = self.project.setting(self.cluster.name, key)
            if found is not None and not found[1].value.resolved.null:
                parts[key] = found
        words = [word for key in parts for word in words_of(parts[key][1].value.resolved)]
        if not words:
            self._find(
                WARNING,
                self.project.definitions(self.cluster.name)[0].entry.key.line,
                f"`{self.cluster.name}` has no command, so that of its image is run",
                f"`command: {render.flow(wish.command)}`, unless the image is made for it",
            )
            return wish.command
        definition, entry, _own = parts.get("command") or parts["entrypoint"]
        verdict = judge(words)
        if verdict.words is not None and len(parts) == 1:
            plain = shell_script(words) is None
            if not plain or self.queue:
                values["command" if "command" in parts else "entrypoint"] = verdict.words
                words = verdict.words
        for doubt in verdict.doubts:
            self._find(WARNING, entry.key.line, doubt, file=definition.file.name)
        words = without_name(words)
        if shell_script(words) is not None or words[-1:] != ["qcluster"]:
            return wish.command
        return [word for word in words if word not in ("exec",)]

    def _scalar(self, key: str) -> str | None:
        """The text of a setting; None when there is none."""
        found = self.project.setting(self.cluster.name, key)
        return None if found is None else found[1].value.resolved.value

    def _note(self, key: str, text: str) -> None:
        found = self.project.setting(self.cluster.name, key)
        if found is not None:
            what = f"`{self.cluster.name}` has `{key}: {found[1].value.resolved.value}`; {text}"
            self._find(NOTE, found[1].key.line, what, file=found[0].file.name)

    def _find(self, level: str, line: int, found: str, expected: str = "", file: str = "") -> None:
        name = file or self.project.definitions(self.cluster.name)[0].file.name
        self.findings.append(Finding(level, name, line, found, expected))

    def _name_cluster(self) -> None:
        """See to it that the service serves its queue."""
        found = self.project.setting(self.cluster.name, "environment")
        named = None
        if found is not None:
            named = compose_environment.value_of(found[1].value, "Q_CLUSTER_NAME")
        if not self.queue:
            if named:
                self._find(
                    WARNING,
                    found[1].key.line if found else 0,
                    f"`{self.cluster.name}` serves the cluster `{named}` and not the default one",
                    "no Q_CLUSTER_NAME, or the cluster named in the variables",
                )
            return
        if named == self.queue:
            return
        self.cluster.environment = {"Q_CLUSTER_NAME": self.queue}
        if found is None:
            self._set("environment", {"Q_CLUSTER_NAME": self.queue})
            return
        definition, entry, own = found
        value = entry.value
        draft = definition.file.draft
        if own and value.kind in ("mapping", "sequence") and (value.entries or value.items):
            compose_environment.add(draft, value, "Q_CLUSTER_NAME", self.queue)
            return
        body = definition.entry.value
        source = definition.file.source
        column, step = _columns(definition)
        text = compose_environment.as_lines(
            source, value, "Q_CLUSTER_NAME", self.queue, column, step
        )
        if own:
            first = source.line_of(entry.start)
            draft.drop_lines(first, source.line_of(max(entry.end - 1, 0)) + 1)
            draft.insert(first, text)
        else:
            draft.insert(source.line_of(max(body.end - 1, 0)) + 1, text)

    def _set(self, key: str, value: Any) -> None:
        """Set a key: where it stands in its own text, else at the end of the service."""
        found = self.project.setting(self.cluster.name, key)
        if found is not None and found[2]:
            _replace(found[0], found[1], value)
        else:
            target = (
                found[0] if found is not None else self.project.definitions(self.cluster.name)[0]
            )
            _append(target, key, value)


def _columns(definition: Definition) -> tuple[int, int]:
    """The column of a service's keys, and the file's step of indentation."""
    source, body = definition.file.source, definition.entry.value
    indent = source.column(definition.entry.start)
    if body.kind == "mapping" and body.entries and not body.flow:
        column = source.column(body.entries[0].start)
        return column, column - indent
    return indent + (indent or 2), indent or 2


def _quoted(definition: Definition) -> bool:
    """Whether the file quotes its keys."""
    return definition.file.source.text[definition.entry.start] == '"'


def _replace(definition: Definition, entry: Entry, value: Any) -> None:
    """Put another value to a key that the service has itself."""
    source, draft = definition.file.source, definition.file.draft
    old: Node = entry.value
    quoted = _quoted(definition)
    single = source.line_of(old.start) == source.line_of(max(old.end - 1, old.start))
    if definition.entry.value.flow or (single and not isinstance(value, dict)):
        text = render.flow(value, quoted)
        draft.replace(old.start, old.end, text if old.end > old.start else f" {text}")
        return
    column, step = _columns(definition)
    first = source.line_of(entry.start)
    draft.drop_lines(first, source.line_of(max(entry.end - 1, 0)) + 1)
    text = render.block(entry.key.value, value, column, step, source.newline, quoted)
    draft.insert(first, text)


def _append(definition: Definition, key: str, value: Any) -> None:
    """Add a key at the end of a service."""
    source, draft = definition.file.source, definition.file.draft
    body, quoted = definition.entry.value, _quoted(definition)
    if body.kind == "mapping" and body.flow:
        member = f"{render.key(key, quoted)}: {render.flow(value, quoted)}"
        if body.entries:
            draft.replace(body.entries[-1].end, body.entries[-1].end, f", {member}")
        else:
            draft.replace(body.start, body.end, f"{{{member}}}")
        return
    column, step = _columns(definition)
    text = render.block(key, value, column, step, source.newline, quoted)
    line = source.line_of(max(definition.entry.end - 1, 0)) + 1
    if body.kind == "alias":
        merge = f"{source.newline}{' ' * column}<<: *{body.anchor}"
        space = body.start - 1 if source.text[body.start - 1] == " " else body.start
        draft.replace(space, body.end, merge)
    draft.insert(line, text)
