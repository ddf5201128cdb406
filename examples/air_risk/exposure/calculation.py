"""The calculation that tasks and jobs share."""

from django.utils import timezone

from air_quality.models import District, Measurement
from correction.models import Correction
from exposure.models import Estimate


def estimate_district(district: District) -> Estimate | None:
    """Store the district's exposure from the latest day that was measured there.

    Returns:
        The estimate, or None where nothing was measured yet.
    """
    measurements = Measurement.objects.filter(station__district=district)
    latest = measurements.order_by("-day").values_list("day", flat=True).first()
    if latest is None:
        return None
    factors = dict(Correction.objects.values_list("station_id", "factor"))
    values = [
        pm25 * factors.get(station_id, 1.0)
        for station_id, pm25 in measurements.filter(day=latest).values_list("station_id", "pm25")
    ]
    mean = sum(values) / len(values)
    return Estimate.objects.create(
        district=district,
        pm25=mean,
        person_micrograms=mean * district.population,
        calculated_at=timezone.now(),
    )
