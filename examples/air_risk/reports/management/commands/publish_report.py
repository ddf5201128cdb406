"""`manage.py publish_report KIND`: write a report now and mail it."""

from argparse import ArgumentParser
from typing import Any

from celery import chain
from django.core.management.base import BaseCommand

from reports.tasks import DAYS, generate_report, send_report


class Command(BaseCommand):
    """Have a report written, and mailed once it is written."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("kind", choices=sorted(DAYS))
        parser.add_argument("--uid", help="what the runs are called in the ledger")

    def handle(self, *args: object, **options: Any) -> None:
        """Enqueue both tasks, the second behind the first."""
        kind, uid = options["kind"], options["uid"]
        chain(generate_report.si(kind, uid=uid), send_report.si(kind, uid=uid)).delay()
        self.stdout.write(f"{kind}: being written")
