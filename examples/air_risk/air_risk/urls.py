"""Every address of the application."""

from django.urls import path

from air_quality.views import receive
from air_risk.health import health
from exposure.views import recalculate
from ledger.views import executions
from tasks_api.views import submit

urlpatterns = [
    path("health/", health),
    path("ledger/", executions),
    path("stations/<str:code>/readings/", receive),
    path("tasks/", submit),
    path("districts/<int:district_id>/exposure/", recalculate),
]
