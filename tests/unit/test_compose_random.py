"""The editor of Compose files over files made at random: what is meant is done, no more."""

from __future__ import annotations

import random

import pytest
import yaml
from ansible_collections.cutover.django_q.plugins.module_utils.compose_editor import edit

NAMES = ["web", "celery_worker", "db", "celery_beat", "redis", "admin", "nginx"]
DROP = ["celery_worker", "celery_beat"]
QCLUSTERS = [{"name": "qcluster", "cluster": ""}, {"name": "gis", "cluster": "gis"}]


def references(rng: random.Random, name: str, indent: str) -> list[str]:
    """`depends_on` of a service in one of its forms; empty for none."""
    known = [other for other in NAMES if other != name]
    others = rng.sample(known, rng.randint(1, 4))
    pad = indent * 2
    form = rng.choice(["none", "list", "tight", "flow", "lines", "map", "flow_map"])
    if form == "none":
        return []
    if form == "list":
        items = [f"{pad}{indent}- {other}{rng.choice(['', '  # why'])}" for other in others]
        return [f"{pad}depends_on:", *items]
    if form == "tight":
        return [f"{pad}depends_on:", *(f"{pad}- '{other}'" for other in others)]
    if form == "flow":
        return [f"{pad}depends_on: [{', '.join(others)}]"]
    if form == "lines":
        inner = [f"{pad}{indent}{other}," for other in others]
        return [f"{pad}depends_on: [", *inner, f"{pad}]"]
    if form == "map":
        lines = [f"{pad}depends_on:"]
        for other in others:
            lines += [f"{pad}{indent}{other}:", f"{pad}{indent * 2}condition: service_started"]
        return lines
    members = ", ".join(f"{other}: {{condition: service_started}}" for other in others)
    return [f"{pad}depends_on: {{{members}}}"]


def compose_file(rng: random.Random) -> str:
    """A Compose file with the services of `NAMES` in any order and any form."""
    indent = rng.choice(["  ", "    "])
    lines = ["# head", "x-app: &app", f"{indent}image: app", "services:"]
    for name in rng.sample(NAMES, len(NAMES)):
        if rng.random() < 0.4:
            lines += [""] * rng.randint(1, 3)
        if rng.random() < 0.3:
            lines.append(f"{indent}# about {name}")
        lines.append(f"{indent}{rng.choice([name, repr(name)])}:{rng.choice(['', '  # key'])}")
        first = rng.choice([["<<: *app"], ["image: app", f"labels: {{name: {name}}}"]])
        body = [[f"{indent * 2}{line}"] for line in first]
        body.append([f"{indent * 2}command: {rng.choice(['run it', '[run, it]'])}"])
        body.append(references(rng, name, indent))
        if rng.random() < 0.4:
            body.append([f"{indent * 2}environment:", f"{indent * 3}A: '1'", f"{indent * 3}B: b"])
        if rng.random() < 0.2:
            body.append([f"{indent * 2}# volumes: []"])
        rng.shuffle(body)
        lines += [line for part in body for line in part]
    if rng.random() < 0.5:
        lines += ["", "volumes:", f"{indent}data:"]
    text = "\n".join(lines) + rng.choice(["\n", "", "\n\n"])
    return text.replace("\n", rng.choice(["\n", "\n", "\r\n"]))


def without_drop(service: dict) -> dict:
    """A service as it is once nothing in it names a dropped one."""
    service = dict(service)
    depends = service.pop("depends_on", None)
    if isinstance(depends, list):
        depends = [name for name in depends if name not in DROP]
    elif depends:
        depends = {name: value for name, value in depends.items() if name not in DROP}
    return {**service, **({"depends_on": depends} if depends else {})}


@pytest.mark.parametrize("seed", range(100))
def test_any_file(seed: int) -> None:
    text = compose_file(random.Random(seed))
    edited = edit([("c.yml", text)], DROP, QCLUSTERS)
    assert not edited.refused, edited.findings
    result = edited.texts["c.yml"]
    before, after = yaml.safe_load(text), yaml.safe_load(result)
    for name in NAMES:
        if name not in DROP:
            assert after["services"].pop(name) == without_drop(before["services"][name])
    worker = without_drop(before["services"]["celery_worker"])
    for wanted in QCLUSTERS:
        service = after["services"].pop(wanted["name"])
        environment = dict(worker.get("environment") or {})
        if wanted["cluster"]:
            environment["Q_CLUSTER_NAME"] = wanted["cluster"]
        assert (service.pop("environment", None) or {}) == environment
        for key in ("healthcheck", "restart", "stop_grace_period"):
            assert service.pop(key)
        assert service.pop("command") == ["python", "manage.py", "qcluster"]
        rest = {k: v for k, v in worker.items() if k not in ("environment", "command")}
        assert service == rest
    assert after.pop("services") == {}
    before.pop("services")
    assert after == before
    assert ("\r\n" in result) == ("\r\n" in text)
    assert edit([("c.yml", result)], DROP, QCLUSTERS).texts["c.yml"] == result
