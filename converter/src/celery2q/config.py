"""The project's own choices: `[tool.celery2q]` in pyproject.toml, or celery2q.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from typing import Any

from celery2q.sources import Tree


class ConfigError(Exception):
    """A choice that cannot be read; the sentence says where and what to write."""


@dataclass(frozen=True)
class Config:
    """What a project decides by itself.

    Attributes:
        clusters: Celery queue → Django-Q cluster; "" or "default" is the default cluster.
        one_cluster: all queues that `clusters` does not name go to the default cluster.
        default_queues: names of Celery queues that are the default one.
        settings: dotted settings module that gets Q_CLUSTER; "" finds it.
        helper: dotted module of the generated helper; "" puts it beside the settings package.
        commands_app: app that gets setup_schedules; "" finds one.
        archive: keep celery.py under another name instead of removing it.
        exclude: path prefixes that are left alone.
        remove: paths of files that are there for Celery alone, and go with it.
    """

    clusters: dict[str, str] = field(default_factory=dict)
    one_cluster: bool = False
    default_queues: tuple[str, ...] = ("celery", "default")
    settings: str = ""
    helper: str = ""
    commands_app: str = ""
    archive: bool = False
    exclude: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def cluster(self, queue: str | None) -> str:
        """The cluster that serves a queue; "" for the default one."""
        if not queue:
            return ""
        if queue in self.clusters:
            named = self.clusters[queue]
            return "" if named == "default" else named
        if queue in self.default_queues or self.one_cluster:
            return ""
        return queue


_TYPES: dict[str, type] = {
    "clusters": dict,
    "one_cluster": bool,
    "default_queues": list,
    "settings": str,
    "helper": str,
    "commands_app": str,
    "archive": bool,
    "exclude": list,
    "remove": list,
}


def load(tree: Tree, **overrides: Any) -> Config:
    """Read the project's choices; arguments of the command win.

    Raises:
        ConfigError: unknown key or wrong type.
    """
    raw: dict[str, Any] = {}
    for path in ("pyproject.toml", "celery2q.toml"):
        source = tree.files.get(path)
        if source is None:
            continue
        try:
            data = tomllib.loads(source.text)
        except tomllib.TOMLDecodeError as error:
            if path == "celery2q.toml":
                raise ConfigError(f"{path} is no TOML: {error}") from error
            continue
        part = data if path == "celery2q.toml" else data.get("tool", {}).get("celery2q", {})
        raw.update(part)
    for key, value in raw.items():
        if key not in _TYPES:
            known = ", ".join(sorted(_TYPES))
            raise ConfigError(f"celery2q: unknown key {key!r}; known are {known}")
        if not isinstance(value, _TYPES[key]):
            raise ConfigError(f"celery2q: {key} must be a {_TYPES[key].__name__}, found {value!r}")
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in raw.items()}
    config = Config(**values)
    given = {key: value for key, value in overrides.items() if value}
    if "clusters" in given:
        given["clusters"] = {**config.clusters, **given["clusters"]}
    return replace(config, **given)
