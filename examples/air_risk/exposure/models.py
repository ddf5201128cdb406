"""What the people of a district breathe."""

from django.db import models


class Estimate(models.Model):
    """The exposure of a district's population at one time."""

    district = models.ForeignKey("air_quality.District", on_delete=models.CASCADE)
    pm25 = models.FloatField(help_text="Mean of the corrected values, µg/m³.")
    person_micrograms = models.FloatField(help_text="pm25 times population.")
    calculated_at = models.DateTimeField()

    class Meta:
        get_latest_by = "calculated_at"


class Hotspot(models.Model):
    """A district above the threshold."""

    district = models.OneToOneField("air_quality.District", on_delete=models.CASCADE)
    pm25 = models.FloatField()
    detected_at = models.DateTimeField()


class Ranking(models.Model):
    """The districts' order of exposure, kept by Django-Q's own schedule."""

    district = models.OneToOneField("air_quality.District", on_delete=models.CASCADE)
    position = models.PositiveIntegerField()
    refreshed_at = models.DateTimeField()
