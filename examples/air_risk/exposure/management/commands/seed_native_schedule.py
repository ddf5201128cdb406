"""`manage.py seed_native_schedule`: the one schedule that is Django-Q's own."""

from django.core.management.base import BaseCommand

from exposure import schedules


class Command(BaseCommand):
    """Make Django-Q's own schedule unless it is there."""

    help = __doc__

    def handle(self, *args: object, **options: object) -> None:
        """Seed and say what was done."""
        state = "made" if schedules.seed() else "was there"
        self.stdout.write(f"{schedules.NAME}: {state}")
