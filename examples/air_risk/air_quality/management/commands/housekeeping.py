"""`manage.py housekeeping`: forget what nobody will ask for any more, in the background."""

from django.core.management.base import BaseCommand

from air_quality.tasks import forget_old_readings


class Command(BaseCommand):
    """Start the task that forgets old readings."""

    help = __doc__

    def handle(self, *args: object, **options: object) -> None:
        """Enqueue it and say so."""
        forget_old_readings.delay()
        self.stdout.write("forgetting old readings")
