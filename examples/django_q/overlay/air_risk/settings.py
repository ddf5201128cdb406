"""Settings of air_risk; everything that differs between environments comes from .env."""

import os
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

# One key for every container of the application: Django-Q signs its queue with it and
# deletes the rows that it cannot verify.
SECRET_KEY = os.environ["SECRET_KEY"]
DEBUG = os.environ.get("DEBUG") == "1"
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django_q",
    "ledger",
    "air_quality",
    "correction",
    "exposure",
    "reports",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
]

ROOT_URLCONF = "air_risk.urls"
WSGI_APPLICATION = "air_risk.wsgi.application"

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("POSTGRES_DB", "air_risk"),
        "USER": os.environ.get("POSTGRES_USER", "air_risk"),
        "PASSWORD": os.environ.get("POSTGRES_PASSWORD", ""),
        "HOST": os.environ.get("POSTGRES_HOST", "127.0.0.1"),
        "PORT": os.environ.get("POSTGRES_PORT", "5432"),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {"connect_timeout": 5},
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = "redis://{}:{}".format(
    os.environ.get("REDIS_HOST", "127.0.0.1"), os.environ.get("REDIS_PORT", "6379")
)
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": f"{REDIS_URL}/1",
    }
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
}

# --- Django-Q: every task and every schedule ---------------------------------------

# Queues of the application and the clusters that serve them. Both go to the default
# cluster; with TASK_CLUSTER_GIS=gis in .env the queue `gis` has a cluster of its own,
# which then needs a service that runs it (Q_CLUSTER_NAME=gis, manage.py qcluster).
TASK_CLUSTERS = {
    "default": None,
    "gis": os.environ.get("TASK_CLUSTER_GIS") or None,
}

Q_WORKERS = 2
Q_QUEUE_LIMIT = 1
Q_TIMEOUT = 120


def retry_after(workers: int, queue_limit: int, timeout: int) -> int:
    """Give the seconds after which an unacknowledged task may be handed out again.

    A row is locked for this long when a cluster takes it, and waits in the cluster's
    memory behind `queue_limit` others before it runs. It must not come back while it
    still waits or runs, so the time has to exceed
    `(ceil((queue_limit + 1) / workers) + 1) * timeout + 3`; a tenth is added.
    """
    rounds = -(-(queue_limit + 1) // workers) + 1
    return round((rounds * timeout + 3) * 1.1)


Q_CLUSTER = {
    # Salt of the queue's signatures: with another name (or another SECRET_KEY) a cluster
    # deletes the rows it finds. It is what it was before.
    "name": "air_risk",
    # The queue is a table of the application's own database.
    "orm": "default",
    "workers": Q_WORKERS,
    # What a cluster takes in advance. One: the default of workers² makes tasks wait in
    # memory until their lock has run out, and run twice.
    "queue_limit": Q_QUEUE_LIMIT,
    # The longest task, in seconds; what lasts longer is ended and counts as failed.
    "timeout": Q_TIMEOUT,
    "retry": retry_after(Q_WORKERS, Q_QUEUE_LIMIT, Q_TIMEOUT),
    # A task that failed is done, as with Celery; else it is tried for ever. Written into
    # each task when it is enqueued, so web's settings count, not the cluster's alone.
    "ack_failures": True,
    # The same for rows that were enqueued before ack_failures was set: one failure is the
    # end of them. A task whose worker was killed leaves no failure; its row comes back
    # after `retry` seconds. A task's own retries are rows of their own.
    "max_attempts": 1,
    # Runs that were missed while no cluster ran collapse into one.
    "catch_up": False,
    # What the cron expressions of schedules mean; Celery's CELERY_TIMEZONE was the same.
    "time_zone": "UTC",
    # Where a cluster leaves its pulse: Redis, since a cache in memory is seen by nobody else.
    "cache": "default",
    # Keep every result: clearing old ones after each task (save_limit=250) slows the
    # monitor so much that finished tasks are handed out again. cleanup_old_rasters
    # clears them by age instead. CONN_MAX_AGE above belongs to this: without it each
    # acknowledgement opens a connection.
    "save_limit": 0,
    # Seconds between two looks at an empty queue: half of it is the latency of a task.
    "poll": 0.2,
    "ALT_CLUSTERS": {
        "gis": {
            "workers": 1,
            "queue_limit": 1,
            "timeout": Q_TIMEOUT,
            "retry": retry_after(1, 1, Q_TIMEOUT),
        },
    },
}
