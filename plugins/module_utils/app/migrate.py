# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Applies the pending migrations. Runs in an image of the target release.

Params:
    allow_unsafe: apply migrations that are not expand-only too.
"""

from __future__ import annotations

READS_ONLY = False


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {changed, applied: [{app, name, …}]}
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import migrations
    from django.core.management import call_command

    plan = migrations.pending()
    unsafe = [
        f"{item['app']}.{item['name']}: {operation['text']}"
        for item in plan
        for operation in item["operations"]
        if not operation["expand_only"]
    ]
    if unsafe and not params["allow_unsafe"]:
        raise SystemExit(
            "These migrations are not expand-only, the release that still serves may fail on them: "
            + "; ".join(unsafe)
            + ". Deploy them apart from this, or set django_manage_allow_unsafe_migrations: true."
        )
    if plan:
        call_command("migrate", interactive=False, verbosity=1)
    return {"changed": bool(plan), "applied": plan}
