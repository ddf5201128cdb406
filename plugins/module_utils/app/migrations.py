# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Migrations that are not applied yet, and whether the old release can live with each of them.

A migration is expand-only when code that does not know it goes on working: it adds tables,
nullable columns, indexes. Anything else (a column removed or renamed, NOT NULL without a default
in the database, code that rewrites rows) may break the release that still serves, and the way
back.
"""

from __future__ import annotations

ADDS = {
    "CreateModel",
    "AddIndex",
    "AddIndexConcurrently",
    "CreateExtension",
    "CreateCollation",
    "AlterModelOptions",
    "AlterModelManagers",
    "AlterModelTableComment",
    "AlterOrderWithRespectTo",
}
# Attributes of a field that the database does not know.
NOT_IN_DATABASE = {
    "blank",
    "choices",
    "editable",
    "error_messages",
    "help_text",
    "limit_choices_to",
    "related_name",
    "related_query_name",
    "validators",
    "verbose_name",
    "default",
}
# Django-Q's own migrations add tables and columns that only Django-Q reads.
TRUSTED_APPS = {"django_q"}


def field_is_safe(field) -> bool:
    """Whether rows inserted by code that does not know the field are still accepted."""
    from django.db.models import NOT_PROVIDED

    return bool(
        field.many_to_many
        or field.null
        or getattr(field, "db_default", NOT_PROVIDED) is not NOT_PROVIDED
    )


def same_column(old, new) -> bool:
    """Whether two fields are one and the same to the database, or the new one is wider."""

    def known(field) -> tuple:
        _name, path, args, kwargs = field.deconstruct()
        return path, args, {key: kwargs[key] for key in kwargs if key not in NOT_IN_DATABASE}

    (old_path, old_args, old_kwargs), (new_path, new_args, new_kwargs) = known(old), known(new)
    if (old_path, old_args) != (new_path, new_args):
        return False
    if (new_kwargs.get("max_length") or 0) >= (old_kwargs.get("max_length") or 0):
        old_kwargs.pop("max_length", None)
        new_kwargs.pop("max_length", None)
    if new_kwargs.get("null"):
        old_kwargs.pop("null", None)
        new_kwargs.pop("null")
    return old_kwargs == new_kwargs


def is_safe(operation, app_label: str, state) -> bool:
    """Whether one operation is expand-only.

    Args:
        state: the project's state before the migration.
    """
    kind = type(operation).__name__
    if kind in ADDS:
        return True
    if kind == "AddField":
        return field_is_safe(operation.field)
    if kind == "AlterField":
        model = state.models.get((app_label, operation.model_name_lower))
        old = model.fields.get(operation.name) if model else None
        return old is not None and same_column(old, operation.field)
    if kind == "SeparateDatabaseAndState":
        return all(is_safe(item, app_label, state) for item in operation.database_operations)
    return False


def pending() -> list[dict]:
    """The migrations that `migrate` would apply, in order.

    Returns:
        [{app, name, expand_only, operations: [{text, expand_only}]}]
    """
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    state = executor._create_project_state(with_applied_migrations=True)
    found = []
    for migration, _backwards in plan:
        operations = []
        for operation in migration.operations:
            safe = migration.app_label in TRUSTED_APPS or is_safe(
                operation, migration.app_label, state
            )
            operations.append({"text": operation.describe(), "expand_only": safe})
            operation.state_forwards(migration.app_label, state)
        found.append(
            {
                "app": migration.app_label,
                "name": migration.name,
                "operations": operations,
                "expand_only": all(item["expand_only"] for item in operations),
            }
        )
    return found
