"""The network as it was when the application went live."""

from datetime import UTC, datetime, timedelta

from django.db import migrations

DISTRICTS = {"Harbour": 48_200, "Old Town": 61_900, "Hillside": 33_400}
OPENED = datetime(2024, 1, 1, tzinfo=UTC)


def add(apps, schema_editor):
    """Add three districts, a reference and a simple station in each, ten raw readings."""
    District = apps.get_model("air_quality", "District")
    Station = apps.get_model("air_quality", "Station")
    Reading = apps.get_model("air_quality", "Reading")
    station = None
    for number, (name, population) in enumerate(DISTRICTS.items(), start=1):
        district = District.objects.create(name=name, population=population)
        Station.objects.create(code=f"REF-{number}", district=district, reference=True)
        station = Station.objects.create(code=f"LOW-{number}", district=district)
    Reading.objects.bulk_create(
        Reading(station=station, taken_at=OPENED + timedelta(hours=n), millivolts=60.0 + n)
        for n in range(10)
    )


class Migration(migrations.Migration):
    dependencies = [("air_quality", "0001_initial")]
    operations = [migrations.RunPython(add, migrations.RunPython.noop)]
