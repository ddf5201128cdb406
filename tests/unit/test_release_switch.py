"""What a switch decides before it touches anything."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.release_recreate import (
    first_disturbed,
    needed_by,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_retag import (
    pruned_names,
    wanted_names,
)
from ansible_collections.cutover.django_q.plugins.modules.release_images import kept
from ansible_collections.cutover.django_q.plugins.modules.release_switch import (
    by_service,
    expected_images,
    scale_of,
    up_to_date,
)

APP = {
    "name": "app:1",
    "aliases": ["app-qcluster"],
    "services": ["web", "cron"],
    "replaced": True,
    "before": {"id": "sha256:old", "tag": "k/app:r-before"},
    "after": {"id": "sha256:new", "tag": "k/app:r-after"},
}
FLOWER = {
    "name": "flower:2",
    "aliases": [],
    "services": ["flower"],
    "replaced": False,
    "before": {"id": "sha256:flo", "tag": "k/flower:r-before"},
    "after": {"id": "", "tag": ""},
}
NEVER_RAN = {**APP, "name": "cron:1", "aliases": [], "before": {"id": "", "tag": "k/cron:r-before"}}


def test_names_lead_forward_and_back() -> None:
    images = [APP, FLOWER]
    assert wanted_names(images, "after") == [
        ("sha256:new", "app:1"),
        ("sha256:new", "app-qcluster"),
    ]
    assert wanted_names(images, "before") == [("sha256:old", "app:1"), ("", "app-qcluster")]
    assert wanted_names([NEVER_RAN], "before") == [("", "cron:1")]
    assert pruned_names(images) == [("sha256:flo", "flower:2")]


def test_what_is_kept_is_what_there_is() -> None:
    assert kept([APP, FLOWER, NEVER_RAN]) == [
        APP["before"],
        APP["after"],
        FLOWER["before"],
        NEVER_RAN["after"],
    ]


def container(**values: Any) -> dict[str, Any]:
    """A described container of web."""
    base = {"service": "web", "image_id": "sha256:new", "state": "running", "health": "healthy"}
    return {**base, **values}


@pytest.mark.parametrize(
    ("found", "good"),
    [
        ([container()], True),
        ([container(health=None)], True),
        ([container(health="starting")], False),
        ([container(state="restarting")], False),
        ([container(image_id="sha256:old")], False),
        ([container(), container(image_id="sha256:old")], False),
    ],
)
def test_a_service_is_switched_until_it_runs_the_image(
    found: list[dict[str, Any]], good: bool
) -> None:
    assert up_to_date(found, expected_images([APP, FLOWER], "after")["web"]) is good


def test_an_image_that_is_not_known_is_never_up_to_date() -> None:
    assert not up_to_date([container()], None)


def test_only_containers_that_are_up_count() -> None:
    others = [container(state="exited"), container(state="created")]
    assert by_service([*others, container(service="cron")]) == {"cron": [container(service="cron")]}


def test_what_was_recorded_counts_where_less_is_up() -> None:
    assert scale_of("web", {}, [container(), container()]) == 2
    assert scale_of("web", {"web": 3}, [container()]) == 3
    assert scale_of("web", {"web": 1}, [container(), container()]) == 2
    assert scale_of("cron", {"cron": 0}, []) == 0


def test_what_a_service_needs_is_followed_to_its_end() -> None:
    services = {
        "web": {"depends_on": {"db": {}, "worker": {}}},
        "worker": {"depends_on": {"redis": {}, "web": {}}},
        "beat": {"depends_on": {"worker": {}}},
        "db": {},
    }
    assert needed_by("web", services) == {"db", "worker", "redis", "web"}
    assert needed_by("db", services) == set()


SERVICES = {"db": {"image": "postgres:15"}, "job": {"build": {"context": "."}}}
IMAGES = {"postgres:15": "sha256:pg", "app-job": "sha256:new"}
HASHES = {"db": "h1", "job": "h2"}


def inspected(service: str, model: str, image: str, state: str = "running") -> dict[str, Any]:
    """What of `docker inspect` counts."""
    labels = {"com.docker.compose.service": service, "com.docker.compose.config-hash": model}
    return {"Config": {"Labels": labels}, "Image": image, "State": {"Status": state}}


@pytest.mark.parametrize(
    ("containers", "disturbed"),
    [
        ([inspected("db", "h1", "sha256:pg")], None),
        ([inspected("db", "h0", "sha256:pg")], "db"),
        ([inspected("db", "h1", "sha256:older")], "db"),
        ([inspected("db", "h1", "sha256:pg", "exited")], "db"),
        ([], "db"),
    ],
    ids=["as the file says", "edited since", "image pulled since", "ended", "none"],
)
def test_compose_must_not_touch_what_a_service_needs(
    containers: list[dict[str, Any]], disturbed: str | None
) -> None:
    found = first_disturbed({"db"}, SERVICES, "app", HASHES, containers, IMAGES.get)
    assert found == disturbed


def test_a_job_of_the_application_that_has_ended_would_run_again() -> None:
    containers = [
        inspected("db", "h1", "sha256:pg"),
        inspected("job", "h2", "sha256:new", "exited"),
    ]
    found = first_disturbed({"db", "job"}, SERVICES, "app", HASHES, containers, IMAGES.get)
    assert found == "job"
