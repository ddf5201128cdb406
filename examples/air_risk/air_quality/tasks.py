"""Tasks of air quality: ingestion, cleaning up, processing of single readings."""

import math
from datetime import timedelta

from celery import shared_task
from django.utils import timezone
from django_q.models import Success

from air_quality.models import Measurement, Raster, Reading, Station
from ledger.decorators import recorded_task
from ledger.recorder import recorded

RASTERS_KEPT = timedelta(days=7)
READINGS_KEPT = timedelta(days=90)
RESULTS_KEPT = timedelta(days=30)
MICROGRAMS_PER_MILLIVOLT = 0.17


@shared_task(queue="gis")
def run_daily_ingestion_pipeline(seconds: float = 0.0, uid: str | None = None) -> int:
    """Store today's measurement of every station and a raster of them.

    A second run on the same day replaces the day's values.

    Returns:
        The number of stations.
    """
    with recorded(f"{__name__}.run_daily_ingestion_pipeline", uid, seconds):
        today = timezone.now().date()
        stations = list(Station.objects.order_by("pk"))
        for station in stations:
            # stands for a call to the network's server: a season and a bias per station
            season = 12 + 6 * math.cos(2 * math.pi * today.timetuple().tm_yday / 365)
            value = season * (1 if station.reference else 1.1 + station.pk % 5 / 50)
            Measurement.objects.update_or_create(
                station=station, day=today, defaults={"pm25": round(value, 2)}
            )
        Raster.objects.update_or_create(
            path=f"pm25/{today:%Y-%m-%d}.tif", defaults={"created_at": timezone.now()}
        )
        return len(stations)


@shared_task(queue="default")
def cleanup_old_rasters(seconds: float = 0.0, uid: str | None = None) -> int:
    """Forget the rasters of more than a week ago, and what Django-Q did a month ago.

    Returns:
        The number of rasters that went.
    """
    with recorded(f"{__name__}.cleanup_old_rasters", uid, seconds):
        # save_limit is 0 (see settings): results are cleared here, by age
        Success.objects.filter(stopped__lt=timezone.now() - RESULTS_KEPT).delete()
        deleted, _ = Raster.objects.filter(created_at__lt=timezone.now() - RASTERS_KEPT).delete()
        return deleted


@recorded_task
def forget_old_readings() -> int:
    """Forget the readings that were processed and are older than a season.

    Returns:
        The number of readings that went.
    """
    old = Reading.objects.filter(taken_at__lt=timezone.now() - READINGS_KEPT)
    deleted, _ = old.filter(processed_at__isnull=False).delete()
    return deleted


@shared_task(bind=True, queue="gis", max_retries=2)
def process_data(self, data_id: int, seconds: float = 0.0, uid: str | None = None) -> float:
    """Turn one raw reading into a concentration.

    The reading may arrive after its number: two more tries, 5 s apart.

    Returns:
        PM2.5 in micrograms per cubic metre.
    """
    with recorded(f"{__name__}.process_data", uid, seconds):
        try:
            reading = Reading.objects.get(pk=data_id)
        except Reading.DoesNotExist as error:
            raise self.retry(exc=error, countdown=5) from error
        reading.pm25 = round(reading.millivolts * MICROGRAMS_PER_MILLIVOLT, 2)
        reading.processed_at = timezone.now()
        reading.save(update_fields=["pm25", "processed_at"])
        return reading.pm25


@shared_task(queue="default")
def test_task(seconds: float = 0.0, uid: str | None = None) -> str:
    """Do nothing for a while: proves that a task gets from a producer to a worker."""
    with recorded(f"{__name__}.test_task", uid, seconds) as run:
        return run
