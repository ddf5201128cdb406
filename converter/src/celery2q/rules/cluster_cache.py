"""A cache that hides the cluster's health.

A cluster writes its health to the cache that Q_CLUSTER names. In one of memory no other process
sees it: `qinfo` and checks from outside find no cluster.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from celery2q.context import Context, Example
from celery2q.findings import Finding, Level
from celery2q.qcluster import cluster_dict
from celery2q.rules.q_cluster import definitions
from celery2q.tasks import constant

RULE = "cluster-cache"
HIDDEN_CACHES = ("locmem", "dummy")


def check(context: Context) -> Iterator[Finding]:
    """Look at the cache that Q_CLUSTER names."""
    clusters = definitions(context)
    if not clusters:
        return
    cluster = clusters[0]
    keys = cluster_dict(cluster) or {}
    name = constant(keys.get("cache")) or "default"
    caches = [
        item
        for item in context.settings.all("CACHES")
        if item.module is cluster.module and isinstance(item.value, ast.Dict)
    ]
    for item in caches:
        table = cluster_dict(item) or {}
        entry = table.get(str(name))
        backend = ""
        if isinstance(entry, ast.Dict):
            backend = str(
                next(
                    (
                        constant(value)
                        for key, value in zip(entry.keys, entry.values, strict=True)
                        if constant(key) == "BACKEND"
                    ),
                    "",
                )
            )
        if any(word in backend for word in HIDDEN_CACHES):
            yield context.at(
                RULE,
                Level.WARNING,
                item.module,
                entry or item.value,
                f"The cache {name!r} ({backend}) is seen by one process only: a cluster's health "
                "cannot be read from outside it.",
                "Use a file, database, memcached or Redis cache for Q_CLUSTER['cache'].",
            )
    if not context.settings.all("CACHES"):
        yield context.at(
            RULE,
            Level.WARNING,
            cluster.module,
            cluster.statement,
            "There is no CACHES setting, so the cache is in memory and seen by one process only: "
            "a cluster's health cannot be read from outside it.",
            "Use a file, database, memcached or Redis cache for Q_CLUSTER['cache'].",
        )


_CLUSTER = "Q_CLUSTER = {'workers': 1, 'queue_limit': 1, 'timeout': 60, 'retry': 200}\n"

EXAMPLES = (
    Example(
        "a cache in memory",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "CACHES = {'default': {'BACKEND': 'x.locmem.LocMemCache'}}\n"
            + _CLUSTER,
        },
        ("shop/settings.py:1",),
    ),
    Example(
        "no cache at all, which is one in memory",
        {"shop/__init__.py": "", "shop/settings.py": _CLUSTER},
        ("shop/settings.py:1",),
    ),
    Example(
        "one that all processes see, another that the cluster does not use, and no cluster",
        {
            "shop/__init__.py": "",
            "shop/settings.py": "CACHES = {'default': {'BACKEND': 'django_redis.cache.RedisCache'},"
            "\n    'fast': {'BACKEND': 'x.locmem.LocMemCache'}}\n" + _CLUSTER,
            "shop/none.py": "CACHES = {'default': {'BACKEND': 'x.dummy.DummyCache'}}\n",
        },
    ),
)
