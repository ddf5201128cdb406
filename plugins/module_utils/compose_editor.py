# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The editor of Compose files: texts in, texts and findings out, nothing read or written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import (
    ERROR,
    NOTE,
    Finding,
    Refusal,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_model import Cluster
from ansible_collections.cutover.django_q.plugins.module_utils.compose_project import (
    ComposeFile,
    Project,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_qcluster_adjust import (
    ExistingService,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_qcluster_new import (
    NewService,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_qcluster_wish import Wish
from ansible_collections.cutover.django_q.plugins.module_utils.compose_references import (
    check_reached,
    drop,
)


@dataclass
class Edited:
    """What became of the files.

    Attributes:
        texts: each file's text, by its name, in Compose's order; the old one where refused.
        findings: what a person should know, errors first.
        dropped: the services that were taken out.
        missing: services that were to be dropped and are in none of the files.
        clusters: what was meant for each qcluster service, for the proof.
    """

    texts: dict[str, str]
    findings: list[Finding] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    clusters: list[Cluster] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether the files are left as they were because something stands in the way."""
        return any(finding.level == ERROR for finding in self.findings)


def edit(
    files: list[tuple[str, str]],
    drop_services: list[str],
    qclusters: list[dict[str, str]],
    model: str = "",
    wish: Wish | None = None,
    reached: list[tuple[str, str]] | None = None,
) -> Edited:
    """Drop services and see to the qcluster services.

    Args:
        files: the Compose files as (name, text), in Compose's `-f` order.
        drop_services: the services to take out with all references to them.
        qclusters: the services wanted, each `{"name": …, "cluster": …}`; an empty cluster is
            the default one. One that is missing is written after the model of `model`.
        model: the Celery worker; the first of `drop_services` when empty.
        wish: what a qcluster service should be like.
        reached: files that `include` or `extends` bring in: they are read and never edited.

    Returns:
        The texts and what there is to say. Where it was refused the texts are the old ones.
    """
    wish = wish or Wish()
    texts = dict(files)
    findings: list[Finding] = []
    parsed: list[ComposeFile] = []
    others: list[ComposeFile] = []
    for listing, result in ((files, parsed), (reached or [], others)):
        for name, text in listing:
            try:
                file = ComposeFile.read(name, text)
                list(file.definitions())
                result.append(file)
            except Refusal as refusal:
                findings.append(refusal.finding)
    names = set(drop_services)
    for file in others:
        try:
            check_reached(file, names)
        except Refusal as refusal:
            findings.append(refusal.finding)
    if findings:
        return Edited(texts, findings)

    project = Project(parsed, others)
    known = project.names()
    edited = Edited(texts, missing=[name for name in drop_services if name not in known])
    present = [name for name in drop_services if name in known]
    model = model or (present[0] if present else "")
    moved: set[int] = set()
    inserted: set[int] = set()
    keep_anchors = model in names
    try:
        for wanted in qclusters:
            cluster = Cluster(wanted["name"])
            edited.clusters.append(cluster)
            if cluster.name in known:
                existing = ExistingService(project, cluster, wanted.get("cluster", ""))
                existing.adjust(wish)
                edited.findings += existing.findings
            elif model in known:
                new = NewService(project, model, cluster, wanted.get("cluster", ""), names)
                new.write(wish, keep_anchors)
                keep_anchors = False
                edited.findings += new.findings
                moved |= new.moved
                inserted |= new.inserted
            else:
                edited.findings.append(
                    Finding(
                        ERROR,
                        parsed[0].name if parsed else "",
                        0,
                        f"there is no service `{cluster.name}`, and no "
                        f"`{model or 'Celery worker'}` after which it could be modelled",
                        "one of the two",
                        f"Add `{cluster.name}` to the Compose file, or name the worker",
                    )
                )
        models = {cluster.like for cluster in edited.clusters}
        edited.findings += _notes(project, names - models)
        edited.dropped = drop(project, names, moved, inserted)
    except Refusal as refusal:
        edited.findings.append(refusal.finding)
    edited.findings.sort(key=lambda finding: finding.level != ERROR)
    if not edited.refused:
        for file in parsed:
            if file.draft.changed:
                edited.texts[file.name] = file.draft.result()
        edited.findings += _mentions(project, edited)
    return edited


def _notes(project: Project, names: set[str]) -> list[Finding]:
    """Say which volumes no service uses once the dropped ones are gone: they stay."""
    uses: dict[str, set[str]] = {}
    for definition in project.definitions():
        entry = definition.body.entry("volumes")
        for item in entry.value.resolved.items if entry else []:
            node = item.resolved
            if node.kind == "mapping":
                source = node.entry("source") or node.entry("src")
                volume = source.value.resolved.value if source else ""
            else:
                volume = node.value.split(":")[0]
            uses.setdefault(volume, set()).add(definition.name)
    found = []
    for file in project.files:
        for root in file.documents:
            volumes = root.entry("volumes")
            for entry in volumes.value.resolved.entries if volumes else []:
                users = uses.get(entry.key.value, set())
                if users and users <= names:
                    what = f"only dropped services use the volume `{entry.key.value}`; it stays"
                    found.append(Finding(NOTE, file.name, entry.key.line, what))
    return found


def _mentions(project: Project, edited: Edited) -> list[Finding]:
    """Say where a dropped service is still mentioned, in a comment or a value."""
    found = []
    if not edited.dropped:
        return found
    words = "|".join(re.escape(name) for name in edited.dropped)
    pattern = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])")
    for file in project.files:
        lines = [
            str(number)
            for number, line in enumerate(edited.texts[file.name].splitlines(), 1)
            if pattern.search(line)
        ]
        if lines:
            where = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(lines)}"
            what = f"a dropped service is still mentioned in the new text, {where}"
            found.append(Finding(NOTE, file.name, 0, what))
    return found
