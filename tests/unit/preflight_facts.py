"""What the preflight finds of a deployment that can be migrated, and changes to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

GIB = 2**30


def container(service: str, **changed: Any) -> dict[str, Any]:
    """A running container of a service, as `docker_cli.describe_container` returns it."""
    return {
        "id": f"{service}-id",
        "name": f"air_risk-{service}-1",
        "service": service,
        "image_id": "sha256:app",
        "started_at": "2026-01-01T00:00:00Z",
        "state": "running",
        "health": None,
        "restart_count": 0,
        "exit_code": 0,
        "config_hash": "bb",
        **changed,
    }


def good_host() -> dict[str, Any]:
    """Facts of `preflight_host` about a deployment with nothing wrong."""
    names = ["web", "celery_worker", "celery_beat", "qcluster", "db", "redis", "geoserver"]
    room = {"path": "/var/lib", "device": 1, "free": 50 * GIB, "size": 99 * GIB, "writable": True}
    return {
        "docker": {
            "installed": True,
            "running": True,
            "error": "",
            "version": "26.1.5",
            "compose_version": "2.26.1",
            "root_dir": "/var/lib/docker",
        },
        "project": {"path": "/srv/air_risk", "exists": True, "writable": True},
        "compose": {
            "files": [{"path": "/srv/air_risk/docker-compose.yml", "exists": True, "sha256": "aa"}],
            "error": "",
            "services": {
                name: {"command": None, "hash": "bb", "containers": [container(name)]}
                for name in names
            },
        },
        "git": {
            "checkout": True,
            "error": "",
            "sha": "a" * 40,
            "branch": "main",
            "describe": "celery",
            "changes": [],
        },
        "target": {
            "ref": "django-q",
            "name": "refs/tags/django-q",
            "sha": "b" * 40,
            "error": "",
            "reachable": True,
            "local": True,
            "tree": {"commands": ["setup_schedules"], "task_names": None},
        },
        "rooms": {"state": dict(room), "docker": dict(room)},
        "images": {"sha256:app": GIB},
        "memory": {},
        "lock": {},
        "current": {"run_id": None, "state": None, "edited": []},
    }


def identity(**changed: Any) -> dict[str, Any]:
    """An answer of the script identity."""
    database = {
        "engine": "django.db.backends.postgresql",
        "host": "db",
        "port": "5432",
        "name": "air_risk",
        "user": "air_risk",
    }
    result = {"secret_key_hash": "k1", "database": database, **changed}
    return {"result": result, "error": ""}


def good_answers() -> dict[str, Any]:
    """Answers of an application with nothing wrong."""
    entry = {
        "name": "hourly",
        "task": "app.tasks.clean",
        "spec": "30 * * * *",
        "queue": "default",
        "enabled": True,
        "problem": None,
    }
    return {
        "identity_web": identity(),
        "identity_celery_worker": identity(),
        "celery": {
            "error": "",
            "result": {
                "broker": {"transport": "redis"},
                "queues": {"gis": {"ready": 3, "unacked": 0}, "old": {"ready": 0, "unacked": 0}},
                "consumed": {"w@1": ["gis", "default"]},
                "active": {"w@1": []},
                "task_queues": {"app.tasks.clean": "default"},
                "time_limits": {"task_time_limit": None, "tasks": {}},
                "beat": {"scheduler": "database", "entries": [entry]},
            },
        },
        "django_q": {
            "error": "",
            "result": {
                "installed": True,
                "tables": True,
                "config": {"name": "air_risk", "cache": "default"},
                "queued": {},
                "stats": [{}],
            },
        },
    }


def good_target() -> dict[str, Any]:
    """Answers of a target's image with nothing wrong."""
    return {
        "target": {
            "error": "",
            "result": {
                "django_q": "1.11.1",
                "config": {
                    "name": "air_risk",
                    "timeout": 600,
                    "retry": 2000,
                    "queue_limit": 1,
                    "workers": 2,
                    "ack_failures": True,
                    "max_attempts": 1,
                    "orm": "default",
                    "sync": False,
                    "cache_backend": "django.core.cache.backends.redis.RedisCache",
                    "alt_clusters": {},
                },
                "setup_schedules": True,
                "celery_installed": False,
                "migrations": [],
                "schedules": [],
                "outcome": [],
                "problems": [],
            },
        },
        "target_identity": identity(),
    }


def good_facts() -> dict[str, Any]:
    """All facts, nothing wrong."""
    return {
        "host": good_host(),
        "database": {"size": GIB, "data_free_bytes": 50 * GIB, "problems": []},
        "answers": good_answers(),
        "trial": [],
        "lint": {"findings": [], "unchecked": []},
        "target": good_target(),
    }


def good_settings() -> dict[str, Any]:
    """The settings of the role with its defaults, for the sample deployment."""
    return {
        "check_mode": False,
        "lint": True,
        "run_id": "",
        "lock_path": "/var/lib/cutover/air_risk/lock",
        "services": {
            "deployment_web_service": ["web"],
            "deployment_db_service": ["db"],
            "deployment_broker_service": ["redis"],
            "deployment_worker_services": ["celery_worker"],
            "deployment_beat_services": ["celery_beat"],
        },
        "app_services": ["web", "celery_worker", "celery_beat", "qcluster"],
        "must_run": [
            "deployment_web_service",
            "deployment_db_service",
            "deployment_broker_service",
        ],
        "web_service": "web",
        "db_service": "db",
        "clusters": {"gis": "", "default": ""},
        "qclusters": [{"name": "qcluster", "cluster": ""}],
        "accepted": [],
        "setup_command": "setup_schedules",
        "command_may_be_installed": False,
        "allow_unsafe_migrations": False,
        "drain": {"timeout": 7200, "move": True},
        "verify": True,
        "docker_min_version": "23.0",
        "compose_min_version": "2.20",
        "dump_share": 1.0,
        "image_share": 1.0,
        "room_margin": 0,
    }


Change = Callable[[dict[str, Any], dict[str, Any]], Any]


def put(path: str, value: Any) -> Change:
    """A change that sets `facts[…]` (or, after `settings:`, a setting) at a path of keys by `/`."""

    def change(facts: dict[str, Any], settings: dict[str, Any]) -> None:
        place: Any = facts
        keys = path
        if path.startswith("settings:"):
            place, keys = settings, path.partition(":")[2]
        *parents, last = keys.split("/")
        for key in parents:
            place = place[int(key) if isinstance(place, list) else key]
        place[int(last) if isinstance(place, list) else last] = value

    return change
