"""Tasks of reports."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Avg, Count, Max
from django.utils import timezone

from air_quality.models import Measurement
from ledger.recorder import recorded
from reports.models import Report

DAYS = {"daily": 1, "weekly": 7}


@shared_task(queue="default")
def generate_scheduled_reports(seconds: float = 0.0, uid: str | None = None) -> int:
    """Enqueue today's reports, one of each kind.

    Returns:
        The number of reports.
    """
    with recorded(f"{__name__}.generate_scheduled_reports", uid, seconds):
        for kind in DAYS:
            generate_report.apply_async(args=[kind], countdown=1)
        return len(DAYS)


@shared_task(queue="default")
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
        Report.objects.update_or_create(kind=kind, day=today, defaults={"body": body})
        return body


@shared_task(
    queue="default",
    autoretry_for=(OSError,),  # SMTP's errors are OSErrors too
    retry_backoff=5,
    retry_backoff_max=600,
    retry_jitter=False,
    max_retries=6,
)
def send_report(kind: str, seconds: float = 0.0, uid: str | None = None) -> int:
    """Mail the latest report of one kind to those who asked for it.

    A mail server that is away is tried again after 5 s, 10 s, 20 s and so on.

    Returns:
        The number of mails that went out, 0 without recipients.
    """
    with recorded(f"{__name__}.send_report", uid, seconds):
        report = Report.objects.filter(kind=kind).latest("day")
        return send_mail(
            subject=f"PM2.5: {kind} report of {report.day}",
            message=report.body,
            from_email=None,
            recipient_list=settings.REPORT_RECIPIENTS,
        )
