"""Asking for a new estimate."""

from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST
from django_q.tasks import async_task

from air_quality.models import District

MAX_SECONDS = 3_600


@csrf_exempt  # called by the map's server: no cookie, no session, nothing to forge
@require_POST
def recalculate(request: HttpRequest, district_id: int) -> JsonResponse:
    """Enqueue the estimate of a district on Django-Q.

    `?uid=` names the run, `?seconds=` stretches it.
    """
    district = get_object_or_404(District, pk=district_id)
    seconds = request.GET.get("seconds", "0")
    if not (seconds.isascii() and seconds.isdigit() and int(seconds) <= MAX_SECONDS):
        error = f"seconds must be a whole number up to {MAX_SECONDS}."
        return JsonResponse({"error": error}, status=400)
    task_id = async_task(
        "exposure.jobs.recalculate_district",
        district.pk,
        seconds=int(seconds),
        uid=request.GET.get("uid"),
    )
    return JsonResponse({"district": district.name, "id": task_id}, status=202)
