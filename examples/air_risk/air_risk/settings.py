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
    "django_celery_beat",
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

EMAIL_BACKEND = os.environ.get("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend")
EMAIL_HOST = os.environ.get("EMAIL_HOST", "localhost")
DEFAULT_FROM_EMAIL = "air_risk@example.org"
REPORT_RECIPIENTS = os.environ.get("REPORT_RECIPIENTS", "").split()

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

# --- Celery: tasks and the beat schedule ------------------------------------------

# database 0: the broker; 1 is the cache
CELERY_BROKER_URL = os.environ.get("CELERY_BROKER_URL", f"{REDIS_URL}/0")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# confirm_publish: RabbitMQ has the message when the call returns, as Redis always has.
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 2, "confirm_publish": True}
# A publish that is repeated after a lost answer is a task that runs twice. The caller
# hears of the failure (POST /tasks/ answers 503) and decides. Without it kombu wraps what
# happens on connecting, not what happens on sending.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_IGNORE_RESULT = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"

# --- Django-Q: jobs and schedules over the database ---------------------------------

Q_CLUSTER = {
    "name": "air_risk",
    "orm": "default",
    "workers": 1,
    "timeout": 120,
    "retry": 420,
    "max_attempts": 1,
    "catch_up": False,
    # Clearing old results after each task keeps the cluster from acknowledging it in time;
    # cleanup_old_rasters clears them by age. CONN_MAX_AGE above belongs to this.
    "save_limit": 0,
}
