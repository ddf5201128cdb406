# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Whether a release is fit to be the target, found out inside its image; nothing stays changed.

Params: those of `schedules_install` (`run_id`, `command`, `arguments`, `entries`, `names`,
`clusters`, `accepted`); the schedules are made in a transaction that is rolled back.
"""

from __future__ import annotations

READS_ONLY = True


def problem(identifier: str, found: str, expected: str, fix: str) -> dict:
    """One finding, in the form of the preflight's."""
    return {"id": identifier, "level": "error", "found": found, "expected": expected, "fix": fix}


def rehearse(params: dict) -> tuple[dict, list[dict]]:
    """`setup_schedules` and what completes it, rolled back.

    Returns:
        What `schedules_install` returns ({} when it failed) and the findings.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import schedules_install

    try:
        return schedules_install.run({**params, "rehearse": True}), []
    except (Exception, SystemExit) as error:
        return {}, [
            problem(
                "setup_schedules_fails",
                f"{params['command']} failed: {type(error).__name__}: {error}",
                "a command that makes every schedule",
                f"Run `manage.py {params['command']}` in the target and mend it.",
            )
        ]


def check_rows(rows: list[dict]) -> tuple[list[dict], list[dict]]:
    """Whether each schedule's function exists and its arguments can be read.

    Returns:
        [{name, func, resolves, error, cron, minutes, schedule_type}] and the findings.
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import schedules
    from django.utils.module_loading import import_string

    described, problems = [], []
    for row in rows:
        error = ""
        try:
            import_string(row["func"])
        except (ImportError, AttributeError, ValueError) as failure:
            error = str(failure)
            problems.append(
                problem(
                    "schedule_function",
                    f"the schedule {row['name']!r} names {row['func']}: {failure}",
                    "a function that exists in the target",
                    "Correct the name in setup_schedules, or delete the row.",
                )
            )
        try:
            schedules.evaluated(row)
        except (ValueError, SyntaxError):
            error = error or "its arguments are no literals"
            problems.append(
                problem(
                    "schedule_arguments",
                    f"the schedule {row['name']!r} has the arguments {row['args']!r} "
                    f"{row['kwargs']!r}",
                    "literals; one bad row stops every schedule, without a word",
                    "Write the arguments as Python literals.",
                )
            )
        described.append(
            {
                "name": row["name"],
                "func": row["func"],
                "schedule_type": row["schedule_type"],
                "cron": row["cron"],
                "minutes": row["minutes"],
                "resolves": not error,
                "error": error,
            }
        )
    return described, problems


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {django_q (version or None), config, setup_schedules, celery_installed, croniter,
        migrations, schedules, outcome, time_zone, problems: [{id, level, found, expected, fix}]}
    """
    import importlib.util

    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        django_q_state,
        migrations,
    )
    from django.apps import apps
    from django.core.management import get_commands

    problems: list[dict] = []
    installed = apps.is_installed("django_q")
    config = {}
    if installed:
        config = django_q_state.configuration()
    else:
        problems.append(
            problem(
                "django_q_missing",
                "django_q is not in the target's INSTALLED_APPS",
                "django_q",
                "Add it, and django-q2 to the requirements.",
            )
        )
    if installed and not config["declared"]:
        problems.append(
            problem(
                "q_cluster_missing",
                "the target's settings have no Q_CLUSTER",
                "Q_CLUSTER with name, timeout, retry and orm",
                "Add it to the settings.",
            )
        )
    if importlib.util.find_spec("croniter") is None:
        problems.append(
            problem(
                "croniter_missing",
                "croniter is not installed in the target's image",
                "croniter: without it cron schedules cannot run",
                "Add croniter to the requirements.",
            )
        )
    has_command = params["command"] in get_commands()
    if not has_command:
        problems.append(
            problem(
                "setup_schedules_missing",
                f"the target has no management command {params['command']!r}",
                "a command that makes the schedules",
                "Add it, or name it in deployment_setup_command.",
            )
        )
    result: dict = {}
    described: list[dict] = []
    if installed and has_command and not problems:
        result, found = rehearse(params)
        problems += found
        described, found = check_rows(result.get("rows", []))
        problems += found
        problems += [
            problem(
                "schedule_not_expressible",
                f"the entry {item['entry']!r} of beat: {item['text']}",
                "a schedule that Django-Q can express, for a function of the target",
                "Change it, or accept it by name in deployment_accept_schedules.",
            )
            for item in result.get("outcome", [])
            if item["action"] == "problem"
        ]
    return {
        "django_q": config.get("version"),
        "config": config,
        "setup_schedules": has_command,
        "celery_installed": importlib.util.find_spec("celery") is not None,
        "croniter": importlib.util.find_spec("croniter") is not None,
        "migrations": migrations.pending(),
        "schedules": described,
        "outcome": result.get("outcome", []),
        "time_zone": result.get("time_zone"),
        "problems": problems,
    }
