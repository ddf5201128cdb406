"""How a deployment stands: what a test compares before and after.

The digest covers what nothing but an operator changes. What a running application changes by
itself is left out: rows of executed and queued tasks, the last and next times of schedules.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed import hosts
from testbed.air_risk import AirRisk
from testbed.deploy import PROJECT

FOLDERS = ("/srv", "/etc", "/root", "/tmp", "/usr/local", "/var/lib/cutover")
#: Caches: git's of file times, Ansible's of its modules, the daemon's own; buildx's list of past
#: builds; and what runc writes for the moment in which a health check starts.
IGNORED = (
    f"{PROJECT}/.git/index",
    "/root/.ansible/*",
    "/root/.docker/buildx/*",
    "/etc/docker/key.json",
    "/tmp/runc-process*",
)
#: Tables, or columns of them, that the application changes while nobody touches it.
RESTLESS_TABLES = (
    "ledger_execution",
    "django_q_task",
    "django_q_ormq",
    "django_celery_results_*",
    "air_quality_*",
    "correction_*",
    "exposure_*",
    "reports_*",
)
RESTLESS_COLUMNS = {
    "django_celery_beat_periodictask": ("last_run_at", "total_run_count", "date_changed"),
    "django_celery_beat_periodictasks": ("last_update",),
    "django_q_schedule": ("next_run", "task"),
}
_COMPARED = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM ({}) t"


def write(name: str, path: Path) -> None:
    """Write the record of a host's deployment to a file on this machine."""
    path.parent.mkdir(parents=True, exist_ok=True)
    record = take(hosts.Host(name).run)
    path.write_text(json.dumps(record, indent=2, sort_keys=True), encoding="utf-8")


def take(execute: Callable[..., str]) -> dict[str, Any]:
    """The record of a deployment.

    Args:
        execute: Runs a program in the host and returns its standard output.

    Returns:
        containers (service to the fields of `Container`), git (head, branch, changes),
        compose_sha256, schedules (rows of Django-Q's table), beat (rows of beat's tables) and
        digest (part to hash or list).
    """
    app = AirRisk(execute)
    git = ("git", "-C", PROJECT)
    branch = execute(*git, "branch", "--show-current")
    record: dict[str, Any] = {
        "containers": {
            service: dataclasses.asdict(container) for service, container in app.services().items()
        },
        "git": {
            "head": execute(*git, "rev-parse", "HEAD"),
            "branch": branch,
            "changes": execute(*git, "status", "--porcelain"),
        },
        "compose_sha256": execute("sha256sum", f"{PROJECT}/docker-compose.yml").split()[0],
        "schedules": schedules(app),
        "beat": beat(app),
    }
    return {**record, "digest": digest(execute, app)}


def schedules(app: AirRisk) -> dict[str, dict[str, Any]]:
    """Django-Q's schedules by name: all columns but `id`, with values as JSON has them."""
    rows = app.sql("SELECT row_to_json(s) FROM django_q_schedule s")
    found = [json.loads(text) for (text,) in rows]
    return {row.pop("name"): {k: v for k, v in row.items() if k != "id"} for row in found}


def beat(app: AirRisk) -> dict[str, dict[str, Any]]:
    """Beat's rows by name: task, enabled, and crontab or interval with their fields."""
    rows = app.sql(
        "SELECT json_build_object('name', p.name, 'task', p.task, 'enabled', p.enabled,"
        " 'queue', p.queue, 'crontab', to_json(c), 'interval', to_json(i))"
        " FROM django_celery_beat_periodictask p"
        " LEFT JOIN django_celery_beat_crontabschedule c ON c.id = p.crontab_id"
        " LEFT JOIN django_celery_beat_intervalschedule i ON i.id = p.interval_id"
    )
    found = [json.loads(text) for (text,) in rows]
    return {row.pop("name"): row for row in found}


def digest(execute: Callable[..., str], app: AirRisk) -> dict[str, Any]:
    """What must be equal before and after something that changes nothing."""
    ignored = [word for path in IGNORED for word in ("!", "-path", path)]
    found = (*FOLDERS, "-type", "f", *ignored)
    sums = execute("sh", "-c", 'find "$@" -print0 | xargs -0 sha256sum', "sh", *found)
    return {
        "files": {line[66:]: line[:64] for line in sums.splitlines()},
        "modes": _lines(execute, "find", *found, "-printf", "%p %m %u\\n"),
        "containers": _lines(
            execute,
            *("docker", "ps", "--all", "--no-trunc"),
            *("--format", "{{.ID}} {{.Names}} {{.Image}} {{.CreatedAt}}"),
        ),
        "started": sorted(f"{c.id} {c.started_at} {c.restarts}" for c in app.containers()),
        "images": _lines(
            execute, "docker", "images", "--all", "--no-trunc", "--format", "{{.ID}} {{.Tag}}"
        ),
        "networks": _lines(execute, "docker", "network", "ls", "--format", "{{.ID}} {{.Name}}"),
        "volumes": _lines(execute, "docker", "volume", "ls", "--format", "{{.Name}}"),
        "database": _database(app),
    }


def _lines(execute: Callable[..., str], *command: str) -> list[str]:
    return sorted(execute(*command).splitlines())


def _database(app: AirRisk) -> dict[str, str]:
    """Hashes of schema, rows and the cluster's databases and roles."""
    excluded = [f"--exclude-table={table}" for table in (*RESTLESS_TABLES, *RESTLESS_COLUMNS)]
    sequences = [f"--exclude-table={table}_id_seq" for table in RESTLESS_TABLES]
    dump = 'exec pg_dump -U "$POSTGRES_USER" -d "$POSTGRES_DB" "$@"'
    shell = ("exec", "-T", "db", "sh", "-c", dump, "sh")
    found = {
        "schema": _hash_of_dump(app.compose(*shell, "--schema-only")),
        "rows": _hash_of_dump(app.compose(*shell, "--data-only", *excluded, *sequences)),
        "databases": app.sql(_COMPARED.format("SELECT datname FROM pg_database"))[0][0],
        "roles": app.sql(_COMPARED.format("SELECT rolname, rolsuper FROM pg_roles"))[0][0],
    }
    for table, restless in RESTLESS_COLUMNS.items():
        names = app.sql(
            f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}'"
        )
        kept = ", ".join(sorted(name for (name,) in names if name not in restless))
        found[table] = app.sql(_COMPARED.format(f"SELECT {kept} FROM {table}"))[0][0]
    return found


def _hash_of_dump(text: str) -> str:
    # pg_dump writes a random word into two of its lines.
    lines = [
        line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
