"""When a report was written. Nullable: the release before does not know the column."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_initial")]
    operations = [
        migrations.AddField("report", "written_at", models.DateTimeField(null=True)),
    ]
