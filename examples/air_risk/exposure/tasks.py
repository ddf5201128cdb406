"""Tasks of exposure."""

from celery import shared_task
from django.db import transaction
from django.utils import timezone

from air_quality.models import District
from exposure.calculation import estimate_district
from exposure.models import Estimate, Hotspot
from ledger.recorder import recorded

HOTSPOT_PM25 = 15.0  # µg/m³, the guideline's mean over a day


@shared_task(queue="gis")
def calculate_district_exposure(
    district_id: int, seconds: float = 0.0, uid: str | None = None
) -> float | None:
    """Estimate the exposure of one district.

    Returns:
        The mean of PM2.5 in µg/m³, or None where nothing was measured yet.
    """
    with recorded(f"{__name__}.calculate_district_exposure", uid, seconds):
        estimate = estimate_district(District.objects.get(pk=district_id))
        return estimate and estimate.pm25


@shared_task(queue="default")
def detect_hotspots(
    threshold: float = HOTSPOT_PM25, seconds: float = 0.0, uid: str | None = None
) -> int:
    """Make the list of hotspots agree with the latest estimates.

    Returns:
        The number of hotspots.
    """
    with recorded(f"{__name__}.detect_hotspots", uid, seconds), transaction.atomic():
        found = []
        for district in District.objects.all():
            estimate = Estimate.objects.filter(district=district).order_by("-calculated_at").first()
            if estimate and estimate.pm25 > threshold:
                found.append(district.pk)
                Hotspot.objects.update_or_create(
                    district=district,
                    defaults={"pm25": estimate.pm25, "detected_at": timezone.now()},
                )
        Hotspot.objects.exclude(district__in=found).delete()
        return len(found)
