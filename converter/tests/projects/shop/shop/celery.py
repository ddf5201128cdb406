import os

from celery import Celery
from celery.schedules import crontab

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

app = Celery("shop")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "nightly": {
        "task": "mail.tasks.plain",
        "schedule": crontab(minute="*/15", hour="22-23,0-4", day_of_week="mon-fri"),
        "args": (1,),
        "options": {"queue": "slow"},
    },
    "often": {"task": "named", "schedule": 600.0},
    "environment": {
        "task": "mail.tasks.bare",
        "schedule": crontab(minute=5, hour=os.environ.get("HOUR", "3")),
    },
}
