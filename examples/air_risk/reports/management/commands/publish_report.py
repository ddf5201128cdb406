"""`manage.py publish_report KIND`: write a report now and mail it."""

from argparse import ArgumentParser

from celery import chain
from django.core.management.base import BaseCommand

from reports.tasks import DAYS, generate_report, send_report


class Command(BaseCommand):
    """Have a report written, and mailed once it is written."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the kind."""
        parser.add_argument("kind", choices=sorted(DAYS))

    def handle(self, *args: object, **options: str) -> None:
        """Enqueue both tasks, the second behind the first."""
        kind = options["kind"]
        chain(generate_report.si(kind), send_report.si(kind)).delay()
        self.stdout.write(f"{kind}: being written")
