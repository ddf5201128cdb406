"""Rows of Django-Q as Celery's messages: names, queues, what follows a task."""

from __future__ import annotations

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.app import celery_move_back
from celery import Celery


@pytest.fixture
def app() -> Celery:
    """An application with a task of a name of its own."""
    made = Celery("probe", set_as_current=False)
    made.conf.task_routes = {"named": {"queue": "gis"}}

    @made.task(name="named")
    def work() -> None:
        """Do nothing."""

    @made.task(name="other")
    def rest() -> None:
        """Do nothing."""

    made.finalize()
    return made


def path(function: str) -> str:
    return f"{__name__}.{function}"


def test_a_task_is_found_by_the_path_of_its_function_and_by_its_name(app: Celery) -> None:
    paths = celery_move_back.paths_of(app, {})
    assert paths[path("work")] == "named"
    assert paths["named"] == "named"
    assert not any(name.startswith("celery.") for name in paths.values())


def test_names_that_were_mapped_come_first(app: Celery) -> None:
    paths = celery_move_back.paths_of(app, {"named": "app.jobs.work", "gone": "app.jobs.gone"})
    assert paths["app.jobs.work"] == "named"
    assert "app.jobs.gone" not in paths


@pytest.mark.parametrize(
    ("key", "clusters", "queue"),
    [
        ("air", {"gis": "", "default": ""}, "gis"),
        ("slow", {"gis": "", "late": "slow"}, "late"),
        ("unknown", {"gis": ""}, "gis"),
    ],
)
def test_a_row_goes_to_a_queue_that_its_cluster_served(
    app: Celery, key: str, clusters: dict[str, str], queue: str
) -> None:
    assert celery_move_back.queue_for("named", key, app, clusters, "air") == queue


def test_the_steps_after_a_task_become_its_chain(app: Celery) -> None:
    paths = celery_move_back.paths_of(app, {})
    steps = [(path("work"), (1,), {}), (path("rest"), (), {"a": 2}, True)]
    chain = celery_move_back.chain_of(steps, paths, app)
    assert chain is not None
    # Celery takes the next one from the end.
    assert [step.task for step in chain] == ["other", "named"]
    assert [step.immutable for step in chain] == [False, True]
    assert (tuple(chain[1].args), chain[0].kwargs) == ((1,), {"a": 2})


def test_a_step_that_is_no_task_cannot_go_back(app: Celery) -> None:
    paths = celery_move_back.paths_of(app, {})
    assert celery_move_back.chain_of([("app.jobs.gone", (), {})], paths, app) is None
