"""A task that shows that schedules are kept."""

from celery import shared_task

from ledger.recorder import recorded


@shared_task(queue="default")
def tick(uid: str | None = None) -> None:
    """Leave a row in the ledger, and nothing else: meant for a schedule of one minute."""
    with recorded(f"{__name__}.tick", uid):
        pass
