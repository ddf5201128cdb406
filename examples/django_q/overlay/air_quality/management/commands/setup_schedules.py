"""`manage.py setup_schedules`: bring Django-Q's table to what air_risk.schedules says.

May be run at any time and any number of times. Every row is checked before any is saved.
Making a row never runs it: its first run is the next time that its cron names. Rows under
other names are not touched.
"""

import inspect
import pydoc
from argparse import ArgumentParser
from datetime import datetime

from croniter import croniter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django_q.models import Schedule
from django_q.utils import localtime

from air_risk.schedules import SCHEDULES, CronSchedule

PARKED = 0  # repeats of a row that does not run
FOR_EVER = -1


def next_tick(cron: str) -> datetime:
    """Give the first time after now that a cron expression names."""
    return croniter(cron, localtime()).get_next(datetime)


def problems(wanted: tuple[CronSchedule, ...]) -> list[str]:
    """Say what is wrong with the schedules, one sentence for each fault."""
    names = [schedule.name for schedule in wanted]
    found = [f"{name}: named twice." for name in sorted(set(names)) if names.count(name) > 1]
    for schedule in wanted:
        function = pydoc.locate(schedule.func)  # as Django-Q's workers do
        if not callable(function):
            found.append(f"{schedule.name}: there is no function {schedule.func}.")
        else:
            try:
                inspect.signature(function).bind()
            except TypeError as error:
                found.append(f"{schedule.name}: {schedule.func}: {error}.")
        if schedule.queue not in settings.TASK_CLUSTERS:
            found.append(f"{schedule.name}: there is no queue {schedule.queue}.")
        try:
            Schedule(
                name=schedule.name,
                func=schedule.func,
                cron=schedule.cron,
                schedule_type=Schedule.CRON,
            ).full_clean()
        except ValidationError as error:
            found.append(f"{schedule.name}: {'; '.join(error.messages)}")
    return found


class Command(BaseCommand):
    """Make, correct, park and unpark the application's schedules."""

    help = __doc__

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        group = parser.add_mutually_exclusive_group()
        group.add_argument("--check", action="store_true", help="check the rows, save none")
        group.add_argument("--park", action="store_true", help="leave all of them parked")
        group.add_argument("--unpark", action="store_true", help="let all of them run")

    def handle(self, *args: object, **options: bool) -> None:
        """Check everything, then save everything, in one transaction."""
        if found := problems(SCHEDULES):
            raise CommandError("Nothing was saved.\n" + "\n".join(found))
        if options["check"]:
            self.stdout.write(f"{len(SCHEDULES)} schedules are sound.")
            return
        repeats = PARKED if options["park"] else FOR_EVER if options["unpark"] else None
        with transaction.atomic():
            for schedule in SCHEDULES:
                self.stdout.write(f"{schedule.name}: {self.save(schedule, repeats)}")

    def save(self, wanted: CronSchedule, repeats: int | None) -> str:
        """Bring one row to what is wanted.

        Args:
            wanted: the schedule.
            repeats: PARKED or FOR_EVER, or None: a row that is there keeps its own, a new
                one runs for ever.

        Returns:
            `made`, `corrected` or `as it was`, and the time of the next run.

        Raises:
            CommandError: several rows have the name.
        """
        rows = list(Schedule.objects.select_for_update().filter(name=wanted.name))
        if len(rows) > 1:
            raise CommandError(
                f"{wanted.name}: {len(rows)} rows have this name; delete all but one."
            )
        fields = {
            "func": wanted.func,
            "schedule_type": Schedule.CRON,
            "cron": wanted.cron,
            "cluster": settings.TASK_CLUSTERS[wanted.queue],
        }
        if not rows:
            row = Schedule.objects.create(
                name=wanted.name, repeats=FOR_EVER if repeats is None else repeats, **fields
            )
            state = "made"
            fields = {"next_run": next_tick(wanted.cron)}
        else:
            row = rows[0]
            if repeats is not None:
                fields["repeats"] = repeats
            wakes = row.repeats == PARKED and fields.get("repeats") == FOR_EVER
            if wakes or (row.cron, row.schedule_type) != (wanted.cron, Schedule.CRON):
                fields["next_run"] = next_tick(wanted.cron)
            fields = {key: value for key, value in fields.items() if getattr(row, key) != value}
            state = "corrected" if fields else "as it was"
        if fields:  # not by save(): only what differs, and next_run as it is given here
            Schedule.objects.filter(pk=row.pk).update(**fields)
        row.refresh_from_db()
        parked = "parked" if row.repeats == PARKED else f"next run {row.next_run:%Y-%m-%d %H:%M %Z}"
        return f"{state}, {parked}"
