"""The Celery application: where tasks are found and when they run."""

import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "air_risk.settings")

app = Celery("air_risk")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

# Times are CELERY_TIMEZONE's. DatabaseScheduler copies these entries into its table at
# the start of beat; more rows stand in the table only (manage.py seed_periodic_tasks).
app.conf.beat_schedule = {
    "daily-ingestion-pipeline": {
        "task": "air_quality.tasks.run_daily_ingestion_pipeline",
        "schedule": crontab(hour=6, minute=0),
        "options": {"queue": "gis"},
    },
    "weekly-model-retraining": {
        "task": "correction.tasks.retrain_all_models",
        "schedule": crontab(hour=2, minute=0, day_of_week="sunday"),
        "options": {"queue": "gis"},
    },
    "daily-scheduled-reports": {
        "task": "reports.tasks.generate_scheduled_reports",
        "schedule": crontab(hour=8, minute=0),
        "options": {"queue": "default"},
    },
    "hourly-raster-cleanup": {
        "task": "air_quality.tasks.cleanup_old_rasters",
        "schedule": crontab(minute=30),
        "options": {"queue": "default"},
    },
}
