"""Tasks of reports."""

from datetime import timedelta

from django.db.models import Avg, Count, Max
from django.utils import timezone

from air_quality.models import Measurement
from air_risk.queue import enqueue
from ledger.recorder import recorded
from reports.models import Report

DAYS = {"daily": 1, "weekly": 7}


def generate_scheduled_reports(seconds: float = 0.0, uid: str | None = None) -> int:
    """Enqueue today's reports, one of each kind.

    Returns:
        The number of reports.
    """
    with recorded(f"{__name__}.generate_scheduled_reports", uid, seconds):
        for kind in DAYS:
            enqueue(f"{__name__}.generate_report", kind, countdown=1)
        return len(DAYS)


def generate_report(kind: str, seconds: float = 0.0, uid: str | None = None) -> str:
    """Write the report of one kind for today, in place of an earlier one.

    Returns:
        The report's text.
    """
    with recorded(f"{__name__}.generate_report", uid, seconds):
        today = timezone.now().date()
        measured = Measurement.objects.filter(day__gt=today - timedelta(days=DAYS[kind]))
        figures = measured.aggregate(n=Count("pk"), mean=Avg("pm25"), maximum=Max("pm25"))
        body = (
            "{n} measurements, mean {mean:.1f}, maximum {maximum:.1f} µg/m³".format(**figures)
            if figures["n"]
            else "no measurements"
        )
        Report.objects.update_or_create(
            kind=kind, day=today, defaults={"body": body, "written_at": timezone.now()}
        )
        return body
