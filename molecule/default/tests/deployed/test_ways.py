"""Each way in which the application sends tasks works, and is executed by Celery."""

from __future__ import annotations

import pytest
from testbed import ways
from testbed.air_risk import AirRisk

ENGINE = "celery"


@pytest.mark.parametrize("way", ways.WAYS)
def test_way(way: str, app: AirRisk) -> None:
    expected = ways.WAYS[way]
    assert ways.executed(app, expected) == [(task, ENGINE) for task in expected.tasks]


def test_decorator_of_the_projects_own(app: AirRisk) -> None:
    assert ways.wrapped_executed(app) == [(ways.WRAPPED, ENGINE)]
