"""The schedule of exposure that is Django-Q's own."""

from datetime import timedelta

from django.utils import timezone
from django_q.models import Schedule

NAME = "exposure-ranking"


def seed() -> bool:
    """Make the schedule unless it is there; its first run is one period away.

    Returns:
        Whether it was made.
    """
    _, created = Schedule.objects.get_or_create(
        name=NAME,
        defaults={
            "func": "exposure.jobs.refresh_ranking",
            "schedule_type": Schedule.MINUTES,
            "minutes": 15,
            "next_run": timezone.now() + timedelta(minutes=15),
        },
    )
    return created
