"""Takes a Django project's code from Celery to Django-Q2 and finds what was left behind."""

__version__ = "0.1.0"
