"""Districts, stations, what they measure, and the rasters made from it."""

from django.db import models


class District(models.Model):
    """A district of the city."""

    name = models.CharField(max_length=100, unique=True)
    population = models.PositiveIntegerField()

    def __str__(self) -> str:
        return self.name


class Station(models.Model):
    """A measuring station. `reference` ones are exact, the others need a correction."""

    code = models.CharField(max_length=20, unique=True)
    district = models.ForeignKey(District, on_delete=models.CASCADE)
    reference = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.code


class Measurement(models.Model):
    """The mean of PM2.5 over one day at one station, in micrograms per cubic metre."""

    station = models.ForeignKey(Station, on_delete=models.CASCADE)
    day = models.DateField()
    pm25 = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["station", "day"], name="one_measurement_a_day"),
        ]


class Reading(models.Model):
    """A raw value as a station sent it, waiting to be processed."""

    station = models.ForeignKey(Station, on_delete=models.CASCADE)
    taken_at = models.DateTimeField()
    millivolts = models.FloatField()
    pm25 = models.FloatField(null=True)
    processed_at = models.DateTimeField(null=True)


class Raster(models.Model):
    """A grid of values that a pipeline left on the media volume."""

    path = models.CharField(max_length=200, unique=True)
    created_at = models.DateTimeField()
