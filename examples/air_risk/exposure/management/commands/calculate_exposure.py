"""`manage.py calculate_exposure`: estimate every district anew."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from air_quality.models import District
from exposure.tasks import calculate_district_exposure


class Command(BaseCommand):
    """Estimate the exposure of all districts, in the background or here and now."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--now", action="store_true", help="calculate here, do not enqueue")
        parser.add_argument("--uid", help="what the runs are called in the ledger")

    def handle(self, *args: object, **options: Any) -> None:
        """Go through the districts, one task each."""
        start = calculate_district_exposure.delay
        if options["now"]:
            start = calculate_district_exposure
        for district in District.objects.order_by("pk"):
            start(district.pk, uid=options["uid"])
            self.stdout.write(district.name)
