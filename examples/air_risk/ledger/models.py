"""The table `ledger_execution`."""

from django.db import models


class Execution(models.Model):
    """One execution of one task, from its start to its end.

    The table has no key and no constraint (see migration 0001): a ledger that refused a
    second row for the same uid would hide the very fault that it is there to show. The
    composite key below only tells Django how to name a row.
    """

    pk = models.CompositePrimaryKey("uid", "started_at")
    uid = models.TextField()
    task = models.TextField()
    engine = models.TextField()
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "ledger_execution"
        ordering = ["started_at"]
