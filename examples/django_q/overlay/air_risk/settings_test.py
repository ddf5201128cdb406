"""Settings for the test suite: `python manage.py test --settings air_risk.settings_test`.

Nothing leaves the process: the cache stays in memory, and the database is SQLite
unless POSTGRES_HOST names a server (as in the containers), where Django makes and drops
a database for the tests.
"""

import os

os.environ.setdefault("SECRET_KEY", "only-for-tests")

from air_risk.settings import *  # noqa: F403 - the settings proper, then what differs

if "POSTGRES_HOST" not in os.environ:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
