"""Reports that people read."""

from django.db import models


class Report(models.Model):
    """A report of one kind for one day."""

    kind = models.CharField(max_length=20)
    day = models.DateField()
    body = models.TextField()
    written_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "day"], name="one_report_a_day"),
        ]
