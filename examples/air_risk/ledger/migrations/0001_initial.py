"""The table `ledger_execution`, without a key on purpose (see ledger.models)."""

from django.db import migrations, models

CREATE = """
CREATE TABLE ledger_execution (
    uid text NOT NULL,
    task text NOT NULL,
    engine text NOT NULL,
    started_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone
)
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(CREATE, "DROP TABLE ledger_execution"),
                migrations.RunSQL(
                    "CREATE INDEX ledger_execution_uid ON ledger_execution (uid)",
                    migrations.RunSQL.noop,
                ),
            ],
            state_operations=[
                migrations.CreateModel(
                    name="Execution",
                    fields=[
                        (
                            "pk",
                            models.CompositePrimaryKey(
                                "uid",
                                "started_at",
                                blank=True,
                                editable=False,
                                primary_key=True,
                                serialize=False,
                            ),
                        ),
                        ("uid", models.TextField()),
                        ("task", models.TextField()),
                        ("engine", models.TextField()),
                        ("started_at", models.DateTimeField()),
                        ("finished_at", models.DateTimeField(null=True)),
                    ],
                    options={"db_table": "ledger_execution", "ordering": ["started_at"]},
                ),
            ],
        )
    ]
