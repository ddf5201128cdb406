"""air_risk: air quality, its correction, exposure and reports."""

from .celery import app as celery_app

__all__ = ("celery_app",)
