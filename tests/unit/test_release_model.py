"""Which images there are, how the new ones are built beside them, and what is mounted over them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.release_model import (
    ModelError,
    Places,
    Roster,
    build_document,
    code_mounts,
    find_build,
    moved_build,
    plan_images,
    pull_plan,
    repository,
    running_ids,
)

ROSTER = Roster("web", ["cron"], ["worker"], ["beat", "flower"], ["qcluster"])
BUILD = {"context": "/srv/app", "dockerfile": "Dockerfile"}


def model(**services: dict[str, Any]) -> dict[str, Any]:
    """Compose's reading of some services, besides those of the roster."""
    base = {name: {"image": "app:1", "build": BUILD} for name in ("web", "cron", "worker", "beat")}
    return {"services": {**base, "db": {"image": "postgres:15"}, **services}}


def test_one_image_of_many_services_is_one() -> None:
    (image,) = plan_images(model(), "app", ROSTER)
    assert image == {
        "name": "app:1",
        "aliases": [],
        "services": ["web", "cron", "worker", "beat"],
        "replaced": True,
    }


def test_services_without_an_image_have_one_each() -> None:
    each = {name: {"build": BUILD} for name in ("web", "cron", "worker", "beat")}
    images = plan_images(model(**each), "shop", ROSTER)
    assert [image["name"] for image in images] == [
        "shop-web",
        "shop-cron",
        "shop-worker",
        "shop-beat",
    ]
    assert [image["replaced"] for image in images] == [True, True, True, False]
    assert images[2]["aliases"] == ["shop-qcluster"]


def test_a_qcluster_that_is_there_is_replaced_and_needs_no_alias() -> None:
    images = plan_images(model(qcluster={"build": BUILD}), "app", ROSTER)
    assert [(image["name"], image["replaced"]) for image in images] == [
        ("app:1", True),
        ("app-qcluster", True),
    ]
    assert images[0]["aliases"] == []


def test_the_image_of_a_dropped_service_is_only_kept() -> None:
    images = plan_images(model(flower={"image": "flower:2"}), "app", ROSTER)
    assert [(image["name"], image["replaced"]) for image in images] == [
        ("app:1", True),
        ("flower:2", False),
    ]


@pytest.mark.parametrize(
    ("roster", "variable"),
    [
        (Roster("wep"), "deployment_web_service"),
        (Roster("web", producers=["corn"]), "release_producers"),
        (Roster("web", workers=["wrk"]), "deployment_worker_services"),
    ],
)
def test_an_unknown_service_names_its_variable(roster: Roster, variable: str) -> None:
    with pytest.raises(ModelError, match=rf"{variable}: .* they have beat, cron, db, web, worker"):
        plan_images(model(), "app", roster)


def container(service: str, image_id: str) -> dict[str, Any]:
    """A described container."""
    return {"service": service, "image_id": image_id}


def test_what_runs_is_what_counts() -> None:
    entry = {"name": "app:1", "services": ["web", "worker"]}
    others = [container("db", "sha256:d")]
    assert running_ids(entry, [container("web", "sha256:a"), *others]) == "sha256:a"
    assert running_ids(entry, others) is None


def test_two_images_under_one_name_are_refused() -> None:
    entry = {"name": "app:1", "services": ["web", "worker"]}
    mixed = [container("web", "sha256:a"), container("worker", "sha256:b")]
    with pytest.raises(ModelError, match=r"web run sha256:a; worker run sha256:b"):
        running_ids(entry, mixed)


@pytest.mark.parametrize(
    "name",
    ["air_risk:local", "registry.example.org:5000/Team/app:1.0", "shop-web", "ghcr.io/x/y@z"],
)
def test_a_repository_is_one_that_docker_takes(name: str) -> None:
    form = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*"
    assert re.fullmatch(rf"{form}(/{form})*", repository("Air_Risk-", name))


def test_repositories_of_similar_names_differ() -> None:
    assert repository("p", "a/b") != repository("p", "a:b") != repository("p", "a-b")


def test_folders_move_into_the_tree(tmp_path: Path) -> None:
    root, tree = tmp_path / "root", tmp_path / "tree"
    (root / "deploy").mkdir(parents=True)
    places = Places(str(root), str(tree))
    build = {
        "context": str(root),
        "dockerfile": str(root / "deploy/Dockerfile"),
        "additional_contexts": {"lib": str(root / "lib"), "x": "docker-image://a", "o": "/opt/o"},
        "tags": ["app:live"],
        "args": {"A": "1"},
    }
    moved, outside = moved_build(build, places)
    assert moved == {
        "context": str(tree),
        "dockerfile": str(tree / "deploy/Dockerfile"),
        "additional_contexts": {"lib": str(tree / "lib"), "x": "docker-image://a", "o": "/opt/o"},
        "args": {"A": "1"},
    }
    assert outside == ["/opt/o"]
    assert build["tags"] == ["app:live"]


def test_a_remote_context_stays(tmp_path: Path) -> None:
    build = {"context": "https://git.example.org/app.git#main"}
    assert moved_build(build, Places(str(tmp_path), "/tree")) == (build, [])


def test_a_link_to_the_root_is_the_root(tmp_path: Path) -> None:
    (tmp_path / "real/app").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    places = Places(str(tmp_path / "real"), "/tree")
    assert places.moved(str(tmp_path / "link/app")) == "/tree/app"
    assert places.moved(str(tmp_path / "realm")) is None


def test_the_new_release_says_how_it_is_built() -> None:
    entry = {"services": ["worker", "web"]}
    new = {"services": {"web": {"build": {"context": "/new"}}}}
    found = find_build(entry, new, model(), "web")
    assert found is not None
    assert found[:2] == ("web", {"context": "/new"})
    found = find_build(entry, {}, model(), "web")
    assert found is not None
    assert found[:2] == ("web", BUILD)
    assert find_build({"services": ["db"]}, new, model(), "web") is None


def test_every_image_has_what_to_pull() -> None:
    one, two = ({"name": name, "replaced": True} for name in ("app:1", "cron:1"))
    kept = {"name": "flower:2", "replaced": False}
    assert pull_plan([one, kept], {"*": "r/app:2"}) == [(one, "r/app:2")]
    both = {"app:1": "r/app:2", "cron:1": "r/cron:2"}
    assert pull_plan([one, two], both) == [(one, "r/app:2"), (two, "r/cron:2")]
    with pytest.raises(ModelError, match="expected a dictionary"):
        pull_plan([one, two], {"*": "r/app:2"})
    with pytest.raises(ModelError, match="no image is named for cron:1"):
        pull_plan([one, two], {"app:1": "r/app:2"})


def test_the_build_file_builds_and_does_nothing_else() -> None:
    parts = {
        "web": {
            "image": "cutover/a/b:r-after",
            "build": {
                "context": "/t",
                "args": ["A=1", "B=2"],
                "labels": ["a.b=c=d"],
                "secrets": [{"source": "pip"}],
            },
            "platform": "linux/amd64",
        }
    }
    models = [{"secrets": {"pip": {"file": "/s/pip"}, "other": {"file": "/s/o"}}}, {}]
    assert build_document(parts, {"B": "x$y"}, models) == {
        "services": {
            "web": {
                "image": "cutover/a/b:r-after",
                "platform": "linux/amd64",
                "build": {
                    "context": "/t",
                    "args": {"A": "1", "B": "x$$y"},
                    "labels": {"a.b": "c=d", "cutover.release": "cutover/a/b:r-after"},
                    "secrets": [{"source": "pip"}],
                },
            }
        },
        "secrets": {"pip": {"file": "/s/pip"}},
    }


@pytest.mark.parametrize(
    ("kind", "source", "mounted"),
    [
        ("bind", "", True),
        ("bind", "app", True),
        ("bind", "app/settings.py", True),
        ("bind", "..", True),
        ("bind", "media", False),
        ("bind", "nginx.conf", False),
        ("bind", "/elsewhere", False),
        ("volume", "app", False),
    ],
)
def test_mounted_code_is_told_from_data(
    tmp_path: Path, kind: str, source: str, mounted: bool
) -> None:
    for side in ("root", "tree"):
        (tmp_path / side / "app").mkdir(parents=True)
        (tmp_path / side / "media").mkdir()
        (tmp_path / side / "app/settings.py").touch()
        (tmp_path / side / "media/map.tif").touch()
    root = tmp_path / "root"
    place = str(root / source) if kind == "bind" else source
    web = {"volumes": [{"type": kind, "source": place, "target": "/app"}]}
    found = code_mounts({"services": {"web": web}}, ["web"], str(root), str(tmp_path / "tree"))
    assert bool(found) is mounted
