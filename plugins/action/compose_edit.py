# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Edits the text of Compose files on the control node; the host reads, keeps and proves them."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

from ansible.plugins.action import ActionBase
from ansible_collections.cutover.django_q.plugins.module_utils.compose_editor import Edited, edit
from ansible_collections.cutover.django_q.plugins.module_utils.compose_files import (
    decoded,
    encoded,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_findings import (
    ERROR,
    NOTE,
    Finding,
    Refusal,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_model import seconds
from ansible_collections.cutover.django_q.plugins.module_utils.compose_patch import masked, unified
from ansible_collections.cutover.django_q.plugins.module_utils.compose_project import (
    ComposeFile,
    Project,
    reached_paths,
)
from ansible_collections.cutover.django_q.plugins.module_utils.compose_qcluster_wish import Wish

# How far `include` and `extends` are followed.
_DEPTH = 5


def text_of(name: str, data: bytes) -> str:
    """A file's text.

    Raises:
        Refusal: it is no UTF-8.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refusal(
            Finding(ERROR, name, line, "this is no UTF-8 text", "UTF-8", "Convert the file")
        ) from None


def judge_missing(edited: Edited, qclusters: list[str], known: set[str], first: str) -> None:
    """Add findings for services that were to be dropped and are not there.

    Args:
        edited: takes up the findings.
        qclusters: the names of the qcluster services wanted.
        known: the services of the project's own files, and of those that are edited.
        first: the name of the first Compose file.
    """
    gone = [name for name in edited.missing if name in known]
    unknown = [name for name in edited.missing if name not in known]
    for name in gone:
        edited.findings.append(
            Finding(NOTE, first, 0, f"the target release has no service `{name}` any more")
        )
    if not unknown:
        return
    # All of them gone and the clusters there: the edit was made before. Else a name is wrong.
    done = not edited.dropped and not gone and set(qclusters) <= known
    for name in unknown:
        finding = Finding(NOTE, first, 0, f"there is no service `{name}` any more")
        if not done:
            finding = Finding(
                ERROR,
                first,
                0,
                f"there is no service `{name}`",
                f"one of {', '.join(sorted(known))}",
                "Correct the name in the deployment_ variables",
            )
        edited.findings.insert(0, finding)


class ActionModule(ActionBase):
    """The part of `compose_edit` that runs on the control node."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Read, edit, write, in two or three calls of the module."""
        super().run(tmp, task_vars)
        self._vars = task_vars
        arguments = dict(self._task.args)
        grace = arguments.get("stop_grace_period", "10m")
        if seconds(grace) is None:
            return _failed(f"stop_grace_period is {grace!r}. Expected a duration such as 10m.")
        found = self._module(arguments, {"step": "read"})
        if found.get("failed"):
            return found
        if found["installed"]:
            return self._as_recorded(arguments)
        try:
            texts, own = self._texts(found)
            reached = self._reached(arguments, texts)
        except Refusal as refusal:
            return _refused([refusal.finding])
        edited = edit(
            texts,
            list(arguments["drop"]),
            [dict(item) for item in arguments["qclusters"]],
            arguments.get("model", ""),
            Wish(
                list(arguments.get("command") or Wish().command),
                grace,
                bool(found["start_interval"]),
            ),
            reached,
        )
        if not edited.refused:
            wanted = [item["name"] for item in arguments["qclusters"]]
            known = _services(texts) | _services(own)
            judge_missing(edited, wanted, known, texts[0][0])
        if edited.refused:
            return _refused(edited.findings)
        return self._write(arguments, found, dict(texts), edited)

    def _module(self, arguments: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
        """Run the module on the host with a plan."""
        text = encoded(json.dumps(plan).encode("utf-8"))
        return self._execute_module(
            module_name="cutover.django_q.compose_edit",
            module_args={**arguments, "plan": text},
            task_vars=self._vars,
        )

    def _as_recorded(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The result where the run's files stand installed already: what was recorded."""
        recorded = [dict(item) for item in arguments["recorded"]]
        return {
            "changed": False,
            "edited": False,
            "installed": True,
            "files": recorded,
            "findings": [],
            "dropped": [],
            "qclusters": [item["name"] for item in arguments["qclusters"]],
        }

    def _texts(self, found: dict[str, Any]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """The texts to edit and, for the names in them, the project's own."""
        texts = [(i["path"], text_of(i["path"], decoded(i["base"]))) for i in found["originals"]]
        own = [
            (i["path"], text_of(i["path"], decoded(i["project"])))
            for i in found["originals"]
            if i["project"] is not None and i["project"] != i["base"]
        ]
        return texts, own

    def _reached(
        self, arguments: dict[str, Any], texts: list[tuple[str, str]]
    ) -> list[tuple[str, str]]:
        """The files that `include` and `extends` bring in, as far as they can be read."""
        known = {os.path.normpath(name) for name, _text in texts}
        reached: list[tuple[str, str]] = []
        listing = texts
        for _level in range(_DEPTH):
            paths: list[str] = []
            for name, text in listing:
                try:
                    file = ComposeFile.read(name, text)
                    for path, _file, _line in reached_paths([file]):
                        beside = os.path.join(os.path.dirname(name), path)
                        paths += [os.path.normpath(path), os.path.normpath(beside)]
                except Refusal:
                    continue
            paths = [path for path in dict.fromkeys(paths) if path not in known]
            if not paths:
                break
            known.update(paths)
            found = self._module(arguments, {"step": "read", "more": paths})
            listing = [
                (path, text_of(path, decoded(data)))
                for path, data in (found.get("reached") or {}).items()
            ]
            reached += listing
        return reached

    def _write(
        self,
        arguments: dict[str, Any],
        found: dict[str, Any],
        texts: dict[str, str],
        edited: Edited,
    ) -> dict[str, Any]:
        """Let the host keep and prove the edited files."""
        files, changes, diff = [], [], []
        for item in found["originals"]:
            path = item["path"]
            data = edited.texts[path].encode("utf-8")
            files.append(
                {
                    "text": encoded(data),
                    "sha256_before": item["sha256_before"],
                    "sha256_base": item["sha256_base"],
                    "sha256_after": hashlib.sha256(data).hexdigest(),
                }
            )
            if edited.texts[path] != texts[path]:
                changes.append((os.path.normpath(path), texts[path], edited.texts[path]))
            project = "" if item["project"] is None else decoded(item["project"]).decode("utf-8")
            if edited.texts[path] != project:
                diff.append(
                    {
                        "before": masked(path, project),
                        "after": masked(path, edited.texts[path]),
                        "before_header": path,
                        "after_header": path,
                    }
                )
        result = self._module(
            arguments,
            {
                "step": "write",
                "files": files,
                "dropped": edited.dropped,
                "clusters": [cluster.as_dict() for cluster in edited.clusters],
                "patch": encoded(unified(changes).encode("utf-8")) if changes else "",
            },
        )
        result["findings"] = [finding.as_dict() for finding in edited.findings]
        if result.get("failed"):
            return result
        result["edited"] = any(item["changed"] for item in result["files"])
        result["installed"] = False
        result["dropped"] = edited.dropped
        result["qclusters"] = [cluster.name for cluster in edited.clusters]
        if self._task.diff:
            result["diff"] = diff
        return result


def _services(texts: list[tuple[str, str]]) -> set[str]:
    """The names of all services in some files that were parsed before."""
    names: set[str] = set()
    for name, text in texts:
        try:
            names.update(Project([ComposeFile.read(name, text)]).names())
        except Refusal:
            continue
    return names


def _failed(message: str) -> dict[str, Any]:
    """A failed result."""
    return {"failed": True, "changed": False, "msg": message, "findings": []}


def _refused(findings: list[Finding]) -> dict[str, Any]:
    """A failed result that names every reason."""
    reasons = [finding.sentence for finding in findings if finding.level == ERROR]
    result = _failed(" ".join(["The Compose files cannot be edited safely.", *reasons]))
    result["findings"] = [finding.as_dict() for finding in findings]
    return result
