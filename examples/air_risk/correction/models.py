"""What was learnt about the stations' bias."""

from django.db import models


class Correction(models.Model):
    """The factor that brings a station's values to those of the reference stations."""

    station = models.OneToOneField("air_quality.Station", on_delete=models.CASCADE)
    factor = models.FloatField()
    samples = models.PositiveIntegerField()
    trained_at = models.DateTimeField()
