"""Jobs of exposure that have run on Django-Q from the start, never on Celery."""

from django.db import transaction
from django.utils import timezone

from air_quality.models import District
from exposure.calculation import estimate_district
from exposure.models import Estimate, Ranking
from ledger.recorder import recorded


def recalculate_district(
    district_id: int, seconds: float = 0.0, uid: str | None = None
) -> float | None:
    """Estimate one district's exposure anew, because somebody asked for it.

    Returns:
        The mean of PM2.5 in µg/m³, or None where nothing was measured yet.
    """
    with recorded(f"{__name__}.recalculate_district", uid, seconds):
        estimate = estimate_district(District.objects.get(pk=district_id))
        return estimate and estimate.pm25


def refresh_ranking(seconds: float = 0.0, uid: str | None = None) -> int:
    """Order the districts by their latest estimate; run by a schedule of Django-Q.

    Returns:
        The number of districts in the order.
    """
    with recorded(f"{__name__}.refresh_ranking", uid, seconds), transaction.atomic():
        latest: dict[int, float] = {}
        for district_id, pm25 in Estimate.objects.order_by("calculated_at").values_list(
            "district_id", "pm25"
        ):
            latest[district_id] = pm25
        order = sorted(latest, key=lambda district_id: (-latest[district_id], district_id))
        for position, district_id in enumerate(order, start=1):
            Ranking.objects.update_or_create(
                district_id=district_id,
                defaults={"position": position, "refreshed_at": timezone.now()},
            )
        return len(order)
