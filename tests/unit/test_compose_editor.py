"""The editor of Compose files over a table of files of all shapes (`compose_cases/`).

Each case holds files before and after, read by a person once. Compose itself proves that the
meaning differs in what was meant alone; line ends, byte order marks and missing newlines at the
end are varied over all of them.
"""

from __future__ import annotations

import difflib
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.cutover.django_q.plugins.module_utils.compose_editor import Edited, edit
from ansible_collections.cutover.django_q.plugins.module_utils.compose_model import (
    unexpected_differences,
)

HERE = Path(__file__).parent / "compose_cases"
SAMPLE = Path(__file__).resolve().parents[2] / "examples" / "air_risk" / "docker-compose.yml"
REFERENCES = ("depends_on", "links", "volumes_from")


@dataclass
class Case:
    """Files before and after an edit."""

    name: str
    drop: list[str] = field(default_factory=list)
    qclusters: list[dict[str, str]] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)

    def edit(self, texts: dict[str, str] | None = None) -> Edited:
        """Edit the files, or others of the same names."""
        return edit(list((texts or self.before).items()), self.drop, self.qclusters)


def read_case(path: Path) -> Case:
    """Read a file of `compose_cases`: a sentence, what to do, then `=== before NAME` and so on."""
    head, *sections = path.read_text(encoding="utf-8").split("=== ")
    case = Case(path.stem)
    for line in head.splitlines():
        word, _colon, rest = line.partition(": ")
        if word == "drop":
            case.drop = rest.split()
        elif word == "qcluster":
            name, _equals, cluster = rest.partition("=")
            case.qclusters.append({"name": name, "cluster": cluster})
    for section in sections:
        title, _newline, text = section.partition("\n")
        kind, _space, name = title.partition(" ")
        if kind == "findings":
            case.findings = text.splitlines()
        else:
            getattr(case, kind)[name] = text
    return case


CASES = [read_case(path) for path in sorted(HERE.glob("*.case"))]
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def test_there_are_cases() -> None:
    assert len(CASES) >= 40


@every_case
def test_texts_and_findings_are_as_written(case: Case) -> None:
    edited = case.edit()
    assert edited.texts == case.after
    assert [f"{f.level} {f.sentence}" for f in edited.findings] == case.findings
    assert not edited.refused


@every_case
def test_editing_the_result_changes_nothing(case: Case) -> None:
    again = case.edit(case.after)
    assert again.texts == case.after
    assert again.dropped == []
    assert again.missing == case.drop
    assert not any(cluster.settings for cluster in again.clusters)


@every_case
def test_line_ends_of_windows_stay(case: Case) -> None:
    def windows(texts: dict[str, str]) -> dict[str, str]:
        return {name: text.replace("\n", "\r\n") for name, text in texts.items()}

    assert case.edit(windows(case.before)).texts == windows(case.after)


@every_case
def test_a_byte_order_mark_stays(case: Case) -> None:
    marked = {name: "\ufeff" + text for name, text in case.before.items()}
    assert case.edit(marked).texts == {n: "\ufeff" + t for n, t in case.after.items()}


@every_case
def test_a_missing_newline_at_the_end_stays_missing(case: Case) -> None:
    bare = {name: text.rstrip("\n") for name, text in case.before.items()}
    for name, text in case.edit(bare).texts.items():
        assert text.rstrip("\n") == case.after[name].rstrip("\n")
        if case.before[name].endswith("\n") and not case.before[name].endswith("\n\n"):
            assert not text.endswith("\n")


def allowed_lines(case: Case, text: str) -> set[int]:
    """The lines in which something may be taken out, by PyYAML's own marks (0-based)."""
    lines: set[int] = set()
    names = set(case.drop) | {item["name"] for item in case.qclusters}

    def visit(node: yaml.Node, path: tuple[str, ...]) -> None:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = (*path, key.value)
                service = len(here) == 2 and here[0] == "services" and here[1] in names
                if service or key.value in REFERENCES:
                    last = max(value.end_mark.line, value.start_mark.line)
                    lines.update(range(key.start_mark.line, last + 1))
                visit(value, here)
        elif isinstance(node, yaml.SequenceNode):
            for item in node.value:
                visit(item, path)

    for root in yaml.compose_all(text.replace("\t", " "), Loader=yaml.SafeLoader):
        visit(root, ())
    # An anchor for depends_on stands outside of it: a line that names a dropped service may go.
    for number, line in enumerate(text.split("\n")):
        if any(name in line for name in case.drop):
            lines |= {number, number + 1}
    return lines


@every_case
def test_lines_elsewhere_stay(case: Case) -> None:
    for name, text in case.before.items():
        before, after = text.split("\n"), case.edit().texts[name].split("\n")
        allowed = allowed_lines(case, text)
        for tag, low, high, _a, _b in difflib.SequenceMatcher(
            None, before, after, autojunk=False
        ).get_opcodes():
            if tag == "equal":
                continue
            for number in range(low, high):
                line = before[number].strip()
                # Among equal lines the comparison may name the one that stayed.
                inside = number in allowed or line in {before[n].strip() for n in allowed}
                bracket = line in ("},", "}", "")
                emptied = "services: {}" in "\n".join(after)
                assert inside or bracket or emptied or line.startswith("#"), (
                    f"{name}:{number + 1}: {line}"
                )


def compose(folder: Path, names: list[str]) -> dict[str, Any]:
    """Compose's own reading of files in a folder."""
    argv = ["docker", "compose", "-p", "case", "--project-directory", str(folder)]
    for name in names:
        argv += ["-f", str(folder / name)]
    argv += ["--profile", "*", "config", "--format", "json"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@every_case
def test_compose_reads_what_was_meant(case: Case, tmp_path: Path) -> None:
    models = []
    for side, texts in (("before", case.before), ("after", case.after)):
        folder = tmp_path / side
        for name in (".env", ".envs/.production/.django", ".envs/.production/.postgres"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).touch()
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        text = json.dumps(compose(folder, list(texts)))
        models.append(json.loads(text.replace(str(folder), "/project")))
    edited = case.edit()
    assert unexpected_differences(*models, edited.dropped, edited.clusters) == []


def test_the_sample_application_in_one_cluster_and_in_two() -> None:
    text = SAMPLE.read_text(encoding="utf-8")
    for qclusters in (
        [{"name": "qcluster", "cluster": ""}],
        [{"name": "qcluster", "cluster": ""}, {"name": "qcluster_gis", "cluster": "gis"}],
    ):
        edited = edit([("docker-compose.yml", text)], ["celery_worker", "celery_beat"], qclusters)
        assert not edited.refused
        result = edited.texts["docker-compose.yml"]
        services = yaml.safe_load(result)["services"]
        before = yaml.safe_load(text)["services"]
        names = {item["name"] for item in qclusters}
        assert set(services) == (set(before) - {"celery_worker", "celery_beat"}) | names
        assert "celery_worker" not in services["web"]["depends_on"]
        for name in ("db", "redis", "geoserver"):
            assert services[name] == before[name]
        for item in qclusters:
            service = services[item["name"]]
            assert service["command"] == ["python", "manage.py", "qcluster"]
            assert service["restart"] == "unless-stopped"
            assert service["environment"].get("Q_CLUSTER_NAME", "") == item["cluster"]
