"""A task that shows that schedules are kept."""

from ledger.recorder import recorded


def tick(uid: str | None = None) -> None:
    """Leave a row in the ledger, and nothing else: meant for a schedule of one minute."""
    with recorded(f"{__name__}.tick", uid):
        pass
