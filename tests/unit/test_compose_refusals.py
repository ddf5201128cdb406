"""What the editor of Compose files refuses: with file and line, and nothing edited."""

from __future__ import annotations

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.compose_editor import edit

DROP = ["celery_worker", "celery_beat"]
QCLUSTER = [{"name": "qcluster", "cluster": ""}]
WORKER = "  celery_worker:\n    image: app\n    command: celery -A proj worker\n"

# name: (text, line of the finding, a part of what is found)
REFUSED = {
    "no_yaml": ("services:\n  web: [\n  db:\n", 4, "this is no YAML"),
    "tab_as_indentation": ("services:\n\tweb:\n", 2, "this is no YAML"),
    "control_character": ("services:\n  web:\n    image: a\x01b\n", 3, "this is no YAML"),
    "bad_indentation": ("services:\n  web:\n    image: a\n   ports: []\n", 4, "this is no YAML"),
    "duplicate_key": (
        "services:\n  web:\n    image: a\n    image: b\n",
        4,
        "the key `image` stands here and in line 3",
    ),
    "duplicate_service": (
        f"services:\n{WORKER}{WORKER}",
        5,
        "the key `celery_worker` stands here and in line 2",
    ),
    "undefined_alias": ("services:\n  web: *app\n", 2, "`*app` stands for nothing"),
    "a_list": ("- web\n- db\n", 1, "this is a sequence"),
    "services_is_a_list": ("services:\n  - web\n", 1, "`services` is a sequence"),
    "a_service_is_a_list": ("services:\n  web:\n    - a\n", 2, "the service `web` is a sequence"),
    "anchor_of_the_worker": (
        "services:\n  celery_worker: &worker\n    image: app\n  web:\n    <<: *worker\n",
        2,
        "defines the anchor `&worker` that line 5 uses",
    ),
    "anchor_inside_what_is_left_out": (
        "services:\n  celery_worker:\n    image: app\n    healthcheck: &check\n"
        "      test: [CMD, celery]\n  web:\n    image: app\n    healthcheck: *check\n",
        4,
        "defines the anchor `&check` that line 8 uses",
    ),
    "model_uses_an_anchor_of_beat": (
        "services:\n  celery_beat: &celery\n    image: app\n  celery_worker:\n    <<: *celery\n"
        "  web:\n    image: app\n",
        5,
        "uses the anchor `&celery` of `celery_beat`",
    ),
    "extends_string": (
        f"services:\n{WORKER}  web:\n    extends: celery_worker\n",
        6,
        "`web` extends `celery_worker`",
    ),
    "extends_map": (
        f"services:\n{WORKER}  web:\n    image: app\n    extends:\n      service: celery_worker\n",
        7,
        "`web` extends `celery_worker`",
    ),
    "extends_own_file": (
        f"services:\n{WORKER}  web:\n    extends:\n      file: ./docker-compose.yml\n"
        "      service: celery_worker\n",
        6,
        "`web` extends `celery_worker`",
    ),
    "network_mode": (
        f"services:\n{WORKER}  exporter:\n    image: e\n    network_mode: service:celery_worker\n",
        7,
        "`network_mode: service:celery_worker`",
    ),
    "pid": (
        f"services:\n{WORKER}  top:\n    image: e\n    pid: 'service:celery_worker'\n",
        7,
        "`pid: service:celery_worker`",
    ),
    "anchor_would_hold_nothing": (
        "x-work: &work\n  celery_worker:\n    condition: service_started\n"
        f"services:\n{WORKER}  web:\n    image: app\n    depends_on:\n      <<: *work\n"
        "      db:\n        condition: service_started\n  db:\n    image: postgres:15\n",
        1,
        "the anchor `&work` would hold nothing",
    ),
    "aliased_list_would_hold_nothing": (
        f"x-work: &work [celery_worker]\nservices:\n{WORKER}  web:\n    image: app\n"
        "    depends_on: *work\n",
        1,
        "the anchor `&work` would hold nothing",
    ),
    "no_worker_and_no_qcluster": (
        "services:\n  web:\n    image: app\n",
        0,
        "there is no service `qcluster`, and no `Celery worker`",
    ),
    "all_services_in_one_line": (
        "services: {celery_worker: {image: app}}\n",
        1,
        "all services of this flow mapping are to be dropped",
    ),
    "nested_too_deeply": ("services: " + "[" * 3000, 0, "nested too deeply"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_file_and_line(name: str) -> None:
    text, line, found = REFUSED[name]
    edited = edit([("docker-compose.yml", text)], DROP, QCLUSTER)
    assert edited.refused
    assert edited.texts == {"docker-compose.yml": text}
    finding = edited.findings[0]
    assert finding.level == "error"
    assert finding.file == "docker-compose.yml"
    assert found in finding.found
    assert finding.line == line


def test_every_file_that_is_no_yaml_is_named() -> None:
    edited = edit([("a.yml", "a: [\n"), ("b.yml", "services: {}\n"), ("c.yml", "- ]\n")], DROP, [])
    assert [finding.file for finding in edited.findings] == ["a.yml", "c.yml"]


REACHED = {
    "defines_a_dropped_service": (
        "services:\n  celery_worker:\n    image: app\n",
        2,
        "the service `celery_worker`, which is to be dropped, stands in a file",
    ),
    "names_a_dropped_service": (
        "services:\n  base:\n    image: app\n    depends_on:\n      - db\n      - celery_beat\n",
        6,
        "`base` names `celery_beat`",
    ),
    "names_it_in_a_map": (
        "services:\n  base:\n    depends_on:\n      celery_beat: {condition: service_started}\n",
        4,
        "`base` names `celery_beat`",
    ),
    "links_to_it": (
        "services:\n  base:\n    links: ['celery_worker:w']\n",
        3,
        "`base` names `celery_worker:w`",
    ),
    "no_yaml": ("services: {\n", 2, "this is no YAML"),
}


@pytest.mark.parametrize("name", REACHED)
def test_files_that_include_or_extends_bring_in(name: str) -> None:
    text, line, found = REACHED[name]
    files = [("docker-compose.yml", f"include: [other.yml]\nservices:\n{WORKER}")]
    edited = edit(files, DROP, QCLUSTER, reached=[("other.yml", text)])
    assert edited.texts == dict(files)
    finding = edited.findings[0]
    assert (finding.level, finding.file, finding.line) == ("error", "other.yml", line)
    assert found in finding.found


def test_reached_files_that_have_nothing_to_do_with_it_are_no_hindrance() -> None:
    files = [("docker-compose.yml", f"include: [other.yml]\nservices:\n{WORKER}")]
    other = "services:\n  base:\n    image: app\n    depends_on: [db]\n"
    edited = edit(files, DROP, QCLUSTER, reached=[("other.yml", other)])
    assert not edited.refused
    assert list(edited.texts) == ["docker-compose.yml"]


def test_a_sentence_says_place_find_expectation_and_fix() -> None:
    text, _line, _found = REFUSED["anchor_of_the_worker"]
    edited = edit([("docker-compose.yml", text)], DROP, QCLUSTER)
    assert edited.findings[0].sentence == (
        "docker-compose.yml:2: `celery_worker`, which is to be dropped, defines the anchor "
        "`&worker` that line 5 uses. Expected: anchors that others use stand in a service that "
        "stays or in an `x-` block. Move what it marks to an `x-` block at the top and let both "
        "use it."
    )
