# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What two containers of one application must share, told without telling the secret.

Params:
    salt: text mixed into the hash of SECRET_KEY, new for each run.
"""

from __future__ import annotations

READS_ONLY = True


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {secret_key_hash, secret_key_fallbacks, database: {engine, host, port, name, user},
        python, django, cluster_name (Q_CLUSTER's name, None without one)}
    """
    import hashlib
    import platform

    import django
    from django.conf import settings

    database = settings.DATABASES["default"]
    digest = hashlib.sha256((params["salt"] + settings.SECRET_KEY).encode()).hexdigest()
    return {
        "secret_key_hash": digest,
        "secret_key_fallbacks": len(getattr(settings, "SECRET_KEY_FALLBACKS", [])),
        "database": {
            "engine": database["ENGINE"],
            "host": database.get("HOST"),
            "port": str(database.get("PORT") or ""),
            "name": str(database["NAME"]),
            "user": database.get("USER"),
        },
        "python": platform.python_version(),
        "django": django.get_version(),
        "cluster_name": (getattr(settings, "Q_CLUSTER", None) or {}).get("name"),
    }
