"""Tasks of correction: one model for each station that is no reference."""

from django.db.models import Avg
from django.utils import timezone

from air_quality.models import Measurement, Station
from air_risk.queue import enqueue
from correction.models import Correction
from ledger.recorder import recorded


def retrain_all_models(seconds: float = 0.0, uid: str | None = None) -> int:
    """Enqueue the training of every station's model.

    Returns:
        The number of stations.
    """
    with recorded(f"{__name__}.retrain_all_models", uid, seconds):
        stations = Station.objects.filter(reference=False).values_list("pk", flat=True)
        for station_id in stations:
            enqueue(f"{__name__}.train_correction_model", station_id, queue="gis")
        return len(stations)


def train_correction_model(
    station_id: int, seconds: float = 0.0, uid: str | None = None
) -> float | None:
    """Fit the factor between a station and the reference stations, by least squares.

    Returns:
        The factor, or None while there is no day that both have measured.
    """
    with recorded(f"{__name__}.train_correction_model", uid, seconds):
        references = dict(
            Measurement.objects.filter(station__reference=True)
            .values_list("day")
            .annotate(mean=Avg("pm25"))
        )
        own = Measurement.objects.filter(station_id=station_id).values_list("day", "pm25")
        pairs = [(value, references[day]) for day, value in own if day in references]
        square = sum(value * value for value, _ in pairs)
        if not square:
            return None
        factor = sum(value * reference for value, reference in pairs) / square
        Correction.objects.update_or_create(
            station_id=station_id,
            defaults={"factor": factor, "samples": len(pairs), "trained_at": timezone.now()},
        )
        return factor
