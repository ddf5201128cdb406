"""Settings for `manage.py test` on a machine with neither PostgreSQL nor Redis.

    python manage.py test --settings air_risk.settings_test

Against the real stores the same tests run with the settings proper.
"""

import os

os.environ.setdefault("SECRET_KEY", "only-for-tests")

from air_risk.settings import *  # noqa: E402, F403 - the settings proper, then what differs

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
