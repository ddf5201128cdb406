"""What a station sends."""

import json
import math
from datetime import datetime

from django.db import transaction
from django.http import HttpRequest, JsonResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from air_quality.models import Reading, Station
from air_quality.tasks import process_data


@csrf_exempt  # called by stations: no cookie, no session, nothing to forge
@require_POST
@transaction.atomic
def receive(request: HttpRequest, code: str) -> JsonResponse:
    """Store `{"taken_at": ISO 8601, "millivolts": number}` and have it processed.

    `?uid=` names the run. The task starts when the reading is committed: a worker that came
    before would not find it.
    """
    station = get_object_or_404(Station, code=code)
    try:
        taken_at, millivolts = parse(request.body)
    except ValueError as error:
        return JsonResponse({"error": f"{error}."}, status=400)
    reading = Reading.objects.create(station=station, taken_at=taken_at, millivolts=millivolts)
    uid = request.GET.get("uid")
    transaction.on_commit(lambda: process_data.delay(reading.pk, uid=uid))
    return JsonResponse({"station": station.code, "reading": reading.pk}, status=202)


def parse(body: bytes) -> tuple[datetime, float]:
    """Read a reading's time and its voltage in millivolts.

    Raises:
        ValueError: with a sentence, without its full stop, for the station's owner.
    """
    data = json.loads(body)
    if not isinstance(data, dict) or set(data) != {"taken_at", "millivolts"}:
        raise ValueError("The body must be a JSON object with taken_at and millivolts")
    taken_at, millivolts = datetime.fromisoformat(str(data["taken_at"])), data["millivolts"]
    if timezone.is_naive(taken_at):
        raise ValueError("taken_at must have a time zone")
    if not isinstance(millivolts, int | float) or not math.isfinite(millivolts):
        raise ValueError("millivolts must be a number")
    return taken_at, float(millivolts)
