"""What the tasks do when they run, whatever runs them."""

from datetime import timedelta
from unittest import mock

from django.core import mail
from django.test import TestCase
from django.utils import timezone
from django_q.models import Success

from air_quality.models import District, Measurement, Raster, Reading, Station
from air_quality.tasks import (
    cleanup_old_rasters,
    forget_old_readings,
    process_data,
    run_daily_ingestion_pipeline,
    test_task,
)
from correction.models import Correction
from correction.tasks import train_correction_model
from exposure.jobs import recalculate_district, refresh_ranking
from exposure.models import Estimate, Hotspot, Ranking
from exposure.tasks import calculate_district_exposure, detect_hotspots
from ledger.models import Execution
from reports.models import Report
from reports.tasks import generate_report, send_report


class WorkTests(TestCase):
    """On the stations that migration 0002 of air_quality brings."""

    def test_pipeline_measures_every_station_once_a_day(self):
        for _ in range(2):
            self.assertEqual(run_daily_ingestion_pipeline(), 6)
        self.assertEqual(Measurement.objects.count(), 6)
        self.assertEqual(Raster.objects.count(), 1)

    def test_cleanup_forgets_old_rasters_only(self):
        for age in (0, 6, 8, 30):
            created_at = timezone.now() - timedelta(days=age)
            Raster.objects.create(path=f"{age}.tif", created_at=created_at)
        self.assertEqual(cleanup_old_rasters(), 2)
        self.assertEqual(Raster.objects.filter(path__in=["0.tif", "6.tif"]).count(), 2)

    def test_processing_a_reading(self):
        reading = Reading.objects.earliest("taken_at")
        self.assertEqual(process_data(reading.pk), 10.2)
        reading.refresh_from_db()
        self.assertIsNotNone(reading.processed_at)

    def test_correction_brings_a_station_to_the_reference(self):
        low = Station.objects.get(code="LOW-1")
        self.assertIsNone(train_correction_model(low.pk))
        run_daily_ingestion_pipeline()
        factor = train_correction_model(low.pk)
        reference = Measurement.objects.filter(station__reference=True).first().pm25
        self.assertAlmostEqual(low.measurement_set.get().pm25 * factor, reference)
        self.assertEqual(Correction.objects.get(station=low).samples, 1)

    def test_exposure_hotspots_and_ranking(self):
        first, second, _ = District.objects.order_by("pk")
        self.assertIsNone(calculate_district_exposure(first.pk))
        run_daily_ingestion_pipeline()
        mean = calculate_district_exposure(first.pk)
        recalculate_district(second.pk)
        self.assertAlmostEqual(
            Estimate.objects.get(district=first).person_micrograms, mean * first.population
        )
        self.assertEqual(detect_hotspots(threshold=0), 2)
        self.assertEqual(detect_hotspots(threshold=1000), 0)
        self.assertFalse(Hotspot.objects.exists())
        self.assertEqual(refresh_ranking(), 2)
        self.assertEqual(sorted(Ranking.objects.values_list("position", flat=True)), [1, 2])

    def test_report(self):
        self.assertEqual(generate_report("daily"), "no measurements")
        run_daily_ingestion_pipeline()
        self.assertIn("6 measurements", generate_report("daily"))
        self.assertIn("6 measurements", Report.objects.get(kind="daily").body)

    def test_mailing_a_report(self):
        generate_report("daily")
        self.assertEqual(send_report("daily"), 0)
        with self.settings(REPORT_RECIPIENTS=["health@example.org"]):
            self.assertEqual(send_report("daily"), 1)
        [sent] = mail.outbox
        self.assertIn("daily report", sent.subject)
        self.assertEqual((sent.to, sent.body), (["health@example.org"], "no measurements"))

    def test_mailing_while_the_server_is_away(self):
        generate_report("daily")
        with (
            mock.patch("reports.tasks.send_mail", side_effect=ConnectionRefusedError),
            self.assertRaises(ConnectionRefusedError),
        ):
            send_report("daily")

    def test_forgetting_old_readings(self):
        ids = list(Reading.objects.order_by("pk").values_list("pk", flat=True))
        Reading.objects.filter(pk__in=ids[:4]).update(processed_at=timezone.now())
        Reading.objects.filter(pk=ids[0]).update(taken_at=timezone.now())
        self.assertEqual(forget_old_readings(), 3)
        self.assertEqual(Reading.objects.count(), len(ids) - 3)
        run = Execution.objects.get()
        self.assertEqual(run.task, "air_quality.tasks.forget_old_readings")
        self.assertTrue(run.uid.startswith("auto-"))

    def test_cleanup_forgets_old_results(self):
        for days in (1, 31):
            stopped = timezone.now() - timedelta(days=days)
            Success.objects.create(
                id=f"{days:032}", name="n", func="f", started=stopped, stopped=stopped, success=True
            )
        cleanup_old_rasters()
        self.assertEqual(Success.objects.count(), 1)

    def test_every_run_is_recorded_under_its_uid(self):
        self.assertEqual(test_task(uid="a-1"), "a-1")
        self.assertEqual(Execution.objects.get(uid="a-1").task, "air_quality.tasks.test_task")
