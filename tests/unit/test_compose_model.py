"""The proof of an edit: what Compose reads before and after."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.compose_model import (
    Cluster,
    seconds,
    unexpected_differences,
)

COMMAND = ["python", "manage.py", "qcluster"]


def before() -> dict[str, Any]:
    """A model as Compose prints it."""
    return {
        "name": "p",
        "services": {
            "web": {
                "image": "app",
                "environment": {"SECRET_KEY": "hush"},
                "depends_on": {"db": {"condition": "x"}, "worker": {"condition": "x"}},
                "links": ["worker:w"],
            },
            "worker": {
                "image": "app",
                "command": ["celery"],
                "environment": {"SECRET_KEY": "hush"},
                "container_name": "w",
                "restart": "always",
                "depends_on": {"db": {"condition": "x"}},
            },
            "db": {"image": "postgres"},
        },
        "networks": {"default": {"name": "p_default"}},
        "volumes": {"state": {"name": "p_state"}},
    }


def after() -> dict[str, Any]:
    """The model as it is meant to be."""
    model = before()
    worker = model["services"].pop("worker")
    web = model["services"]["web"]
    del web["depends_on"]["worker"], web["links"]
    del worker["container_name"]
    model["services"]["q"] = {
        **worker,
        "command": COMMAND,
        "stop_grace_period": "10m0s",
        "environment": {"SECRET_KEY": "hush", "Q_CLUSTER_NAME": "gis"},
    }
    del model["volumes"]["state"]
    return model


CLUSTER = Cluster(
    "q", "worker", {"command": COMMAND, "stop_grace_period": "600s"}, {"Q_CLUSTER_NAME": "gis"}
)


def test_what_was_meant_is_no_difference() -> None:
    assert unexpected_differences(before(), after(), ["worker"], [CLUSTER]) == []


def changed(path: str, value: Any) -> dict[str, Any]:
    """The model after the edit with one more change."""
    model = copy.deepcopy(after())
    *parents, last = path.split("/")
    place = model
    for parent in parents:
        place = place[parent]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return model


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        ("services/web/image", "other", "services.web.image is another"),
        ("services/web/environment", None, "services.web.environment is gone"),
        (
            "services/web/environment/SECRET_KEY",
            "other",
            "services.web.environment.SECRET_KEY is another",
        ),
        ("services/web/depends_on", None, "services.web.depends_on is gone"),
        ("services/db", None, "services.db is gone"),
        ("services/worker", {}, "services.worker is still there"),
        ("services/more", {"image": "app"}, "services.more is new"),
        ("services/q", None, "services.q is missing"),
        ("services/q/command", ["celery"], "services.q.command is not what was written"),
        (
            "services/q/stop_grace_period",
            "10s",
            "services.q.stop_grace_period is not what was written",
        ),
        ("services/q/restart", None, "services.q.restart is gone"),
        ("services/q/ports", ["80"], "services.q.ports is new"),
        ("services/q/depends_on", None, "services.q.depends_on is gone"),
        (
            "services/q/environment/Q_CLUSTER_NAME",
            "other",
            "services.q.environment.Q_CLUSTER_NAME is not what was written",
        ),
        ("services/q/environment/MORE", "1", "services.q.environment.MORE is new"),
        ("networks/default/name", "other", "networks.default.name is another"),
        ("volumes/more", {}, "volumes.more is new"),
        ("name", "other", "name is another"),
        ("secrets", {"key": {}}, "secrets.key is new"),
    ],
)
def test_anything_else_is_named_by_its_place_and_not_its_value(
    path: str, value: Any, found: str
) -> None:
    differences = unexpected_differences(before(), changed(path, value), ["worker"], [CLUSTER])
    assert found in differences
    assert "hush" not in str(differences)


def test_an_existing_cluster_may_change_in_its_settings_alone() -> None:
    old, new = before(), before()
    new["services"]["db"]["restart"] = "always"
    meant = Cluster("db", settings={"restart": "always"})
    assert unexpected_differences(old, new, [], [meant]) == []
    new["services"]["db"]["image"] = "other"
    assert unexpected_differences(old, new, [], [meant]) == ["services.db.image is another"]


def test_merge_blocks_may_lose_the_dropped_names_alone() -> None:
    old, new = before(), after()
    old["x-app"] = {"depends_on": ["db", "worker"], "image": "app"}
    new["x-app"] = {"depends_on": ["db"], "image": "app"}
    assert unexpected_differences(old, new, ["worker"], [CLUSTER]) == []
    new["x-app"]["image"] = "other"
    assert unexpected_differences(old, new, ["worker"], [CLUSTER]) == ["x-app.image is another"]


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("10s", 10),
        ("1m30s", 90),
        ("1h", 3600),
        ("1m0.5s", 60.5),
        ("500ms", 0.5),
        ("10", None),
        ("", None),
        (None, None),
        ("${GRACE}", None),
        ("10 s", None),
    ],
)
def test_durations(duration: Any, expected: float | None) -> None:
    assert seconds(duration) == expected
