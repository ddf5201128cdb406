"""Scripts of the collection, run in the application's containers the way the product runs them.

A test may end one by force at a chosen step of its work with the broker or the database.
"""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType
from typing import Any

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from testbed.console import run
from testbed.hosts import Host
from testbed.machine import ROOT

SECONDS = 120
#: Exit status of a script that was ended at its step.
ENDED = 70
#: What talks to a broker or a database, as module, class and method.
TALKS = (
    ("django.db.backends.utils", "CursorWrapper", "execute"),
    ("redis.client", "Redis", "execute_command"),
    ("redis.client", "Pipeline", "execute"),
    ("amqp", "Channel", "_basic_publish"),
    ("amqp", "Channel", "basic_get"),
    ("amqp", "Channel", "basic_ack"),
    ("amqp", "Channel", "tx_commit"),
)
#: Counts a script's steps and ends its process before the one of a number.
WRAPPER = f"""
import importlib
import os


def counted(steps, last, function):
    def step(*args, **kwargs):
        steps.append(function)
        if len(steps) == last:
            os._exit({ENDED})
        return function(*args, **kwargs)

    return step


def run(params):
    from PACKAGE import SCRIPT

    steps = []
    for module, kind, name in {TALKS!r}:
        try:
            owner = getattr(importlib.import_module(module), kind)
        except ImportError:
            continue
        setattr(owner, name, counted(steps, params["last"], getattr(owner, name)))
    return {{"result": SCRIPT.run(params["params"]), "steps": len(steps)}}
"""


class Ended(Exception):
    """A script was ended before the step that was told."""


def call(
    host: Host, script: str, params: dict[str, Any], *, service: str = "web", last: int = 0
) -> tuple[dict[str, Any], int]:
    """Run a script in a service's container.

    Args:
        host: The host.
        script: Its name, without `.py`.
        params: What its `run` is called with.
        service: The service; one container of it runs.
        last: End its process by force before this step with broker or database; 0 for never.

    Returns:
        What it returned, and the number of its steps.

    Raises:
        Ended: It was ended as told.
        AssertionError: It failed.
    """
    door = _plugin("modules.app_script")
    wrapper = WRAPPER.replace("PACKAGE", door.PACKAGE).replace("SCRIPT", script)
    sources = [*_plugin("action.app_script").sources_of(script), ["counted", wrapper]]
    text = door.program(sources, {"params": params, "last": last}, "", SECONDS)
    template = "label=com.docker.compose.service=" + service
    container = host.run("docker", "ps", "--quiet", "--filter", template)
    command = ["docker", "exec", "-i", host.name, "docker", "exec", "-i", container]
    done = run([*command, "python", "-"], stdin=text, check=False, timeout=SECONDS + 30)
    if done.returncode == ENDED:
        raise Ended
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout)
    return answer["result"], answer["steps"]


def _plugin(name: str) -> ModuleType:
    """A plugin of the collection by the name that Ansible knows it by."""
    if not any(isinstance(finder, _AnsibleCollectionFinder) for finder in sys.meta_path):
        _AnsibleCollectionFinder(paths=[str(ROOT / "collections"), *sys.path])._install()
    return importlib.import_module(f"ansible_collections.cutover.django_q.plugins.{name}")
