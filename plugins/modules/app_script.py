#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Runs a script inside the application, with Django set up, and returns its one JSON document."""

from __future__ import annotations

DOCUMENTATION = r"""
module: app_script
short_description: Runs a script of the collection inside the application
version_added: 0.1.0
description:
  - The one door into the application. A script of C(plugins/module_utils/app) is piped to the
    Python of a container of the application, Django is set up there, the script's C(run) is
    called with O(params), and what it returns comes back.
  - What the application prints is kept apart from the result.
  - The script and its parameters go through standard input, so that nothing of them stands on a
    command line.
extends_documentation_fragment:
  - cutover.django_q.compose_project
options:
  script:
    description: The script's name, without C(.py).
    type: str
    required: true
  params:
    description: What the script's C(run) is called with.
    type: dict
    default: {}
  service:
    description: The service in whose container, or after whose model, the script runs.
    type: str
    required: true
  mode:
    description:
      - V(exec) runs in the service's running container.
      - V(run) makes a container after the service's model for this script alone, without its
        dependencies, and removes it afterwards. What a call left that was cut off together with its
        host or its Docker daemon is removed by the next one.
    type: str
    choices: [exec, run]
    default: exec
  image:
    description: With O(mode=run), an image to use in place of the service's own.
    type: str
    default: ""
  code_dir:
    description: >-
      With O(mode=run), a folder to mount where the service mounts O(project_dir). Needed where
      the code is bind-mounted and another tree of it is meant.
    type: path
    default: ""
  environment:
    description: With O(mode=run), environment variables to add.
    type: dict
    default: {}
  overrides:
    description: >-
      With O(mode=run), Compose files (absolute paths) that replace the project's own, for a
      service that is not yet in them.
    type: list
    elements: path
    default: []
  python:
    description: The Python interpreter inside the container.
    type: str
    default: python
  settings_module:
    description: >-
      Django's settings module; empty takes the container's C(DJANGO_SETTINGS_MODULE), else
      the default that C(manage.py) sets.
    type: str
    default: ""
  timeout:
    description: Seconds after which the script is given up.
    type: int
    default: 120
  sources:
    description: The texts of the script and of those it imports. The action plugin sets it.
    type: list
    elements: list
attributes:
  check_mode:
    description: Scripts that declare themselves as only reading run; others are skipped.
    support: partial
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Read the state of Django-Q
  cutover.django_q.app_script:
    project_dir: /srv/air_risk
    project_name: air_risk
    service: web
    script: django_q_state
  register: state
"""

RETURN = r"""
result:
  description: What the script returned.
  type: dict
  returned: success
changed:
  description: The key C(changed) of what the script returned; false without one.
  type: bool
  returned: always
printed:
  description: The last lines that the application itself printed.
  type: str
  returned: always
"""

import contextlib
import json
import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils.docker_cli import (
    LABEL_PROJECT,
    PROJECT_ARGUMENTS,
    ComposeProject,
    DockerError,
    describe_container,
    last_lines,
    project_of,
    run,
)

# Tells a one-off container of this module from those of other people.
LABEL_SCRIPT = "cutover.django_q.script"
PACKAGE = "ansible_collections.cutover.django_q.plugins.module_utils.app"

# The program around the scripts. It keeps standard output for the result alone (what the
# application prints goes to standard error) and ends by itself when the time is over: ending the
# client would leave the process in the container running.
DOOR = r"""
import json, os, re, signal, sys, types

sources, arguments, settings_module, timeout = json.loads(DOCUMENT)
signal.alarm(timeout)
sys.argv = ["manage.py"]
sys.path.insert(0, os.getcwd())
out = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
parts = PACKAGE.split(".")
for end in range(1, len(parts) + 1):
    package = types.ModuleType(".".join(parts[:end]))
    package.__path__ = []
    sys.modules[package.__name__] = package
for name, text in sources:
    script = types.ModuleType(PACKAGE + "." + name)
    sys.modules[script.__name__] = script
    setattr(sys.modules[PACKAGE], name, script)
    exec(compile(text, name + ".py", "exec"), script.__dict__)

settings_module = settings_module or os.environ.get("DJANGO_SETTINGS_MODULE")
if not settings_module and os.path.isfile("manage.py"):
    with open("manage.py", encoding="utf-8") as stream:
        found = re.search(r"DJANGO_SETTINGS_MODULE[\"']\s*,\s*[\"']([\w.]+)", stream.read())
    settings_module = found and found.group(1)
if not settings_module:
    raise SystemExit(
        "Django's settings module is not known: neither DJANGO_SETTINGS_MODULE nor a manage.py "
        "in " + os.getcwd() + " names it. Set deployment_settings_module."
    )
os.environ["DJANGO_SETTINGS_MODULE"] = settings_module
import django

django.setup()
json.dump(script.run(arguments), out, default=str)
out.flush()
"""


def program(
    sources: list[list[str]], params: dict[str, Any], settings_module: str, timeout: int
) -> str:
    """The text that is piped to Python.

    Args:
        sources: [[name, text], …] of the scripts; the last one's `run` is called.
        timeout: seconds after which it ends by SIGALRM.
    """
    document = json.dumps([sources, params, settings_module, timeout])
    return f"PACKAGE = {PACKAGE!r}\nDOCUMENT = {document!r}\n{DOOR}"


def override_for(
    service: str,
    image: str,
    environment: dict[str, Any],
    binds: list[dict[str, str]],
    project_dir: str,
    code_dir: str,
) -> dict[str, Any]:
    """A Compose file (as a dict) that gives one service another image, environment or code.

    Args:
        binds: the service's bind mounts, [{source, target}].
        code_dir: replaces `project_dir` as their source; "" leaves them.
    """
    changed: dict[str, Any] = {"labels": {LABEL_SCRIPT: "true"}}
    if image:
        changed.update(image=image, pull_policy="never")
    if environment:
        changed["environment"] = {key: str(value) for key, value in environment.items()}
    if code_dir:
        moved = []
        for bind in binds:
            inside = os.path.relpath(bind["source"], project_dir)
            if inside == "." or not inside.startswith(".."):
                source = os.path.normpath(os.path.join(code_dir, inside))
                moved.append({"type": "bind", "source": source, "target": bind["target"]})
        if moved:
            changed["volumes"] = moved
    return {"services": {service: changed}}


def running_container(project: ComposeProject, service: str) -> str:
    """The id of a running container of the service.

    Raises:
        DockerError: none runs.
    """
    mine = [
        item for item in map(describe_container, project.containers()) if item["service"] == service
    ]
    for item in mine:
        if item["state"] == "running":
            return item["id"]
    found = [
        f"{item['name']} is {item['state']}, exit status {item['exit_code']}, "
        f"restarted {item['restart_count']} times"
        for item in mine
    ]
    raise DockerError(
        f"No container of the service {service!r} of the project {project.name!r} is running: "
        f"{'; '.join(found) or 'there is none'}. Expected one to run the script in. Look at "
        f"`docker compose logs {service}`."
    )


def sweep(project: ComposeProject) -> None:
    """Remove one-off containers that a call left which was cut off with its host or daemon."""
    command = ["docker", "ps", "--all", "--quiet", "--no-trunc"]
    for condition in (
        f"label={LABEL_PROJECT}={project.name}",
        f"label={LABEL_SCRIPT}",
        "status=exited",
        "status=dead",
    ):
        command += ["--filter", condition]
    for container in run(command, timeout=60).split():
        # One that has just ended goes by itself.
        with contextlib.suppress(DockerError):
            run(["docker", "rm", container], timeout=60)


def command_for(project: ComposeProject, params: dict[str, Any], folder: str) -> list[str]:
    """The command that reads the program on standard input.

    Args:
        folder: a private folder for the override file of a one-off container.
    """
    service, python = params["service"], params["python"]
    if params["mode"] == "exec":
        return ["docker", "exec", "-i", running_container(project, service), python, "-"]
    sweep(project)
    if params["overrides"]:
        project = ComposeProject(
            project.directory, project.name, list(params["overrides"]), project.env_files
        )
    binds: list[dict[str, str]] = []
    if params["code_dir"]:
        model = project.config()["services"].get(service, {})
        binds = [
            {"source": volume["source"], "target": volume["target"]}
            for volume in model.get("volumes") or []
            if volume.get("type") == "bind"
        ]
    override = os.path.join(folder, "override.json")
    with open(override, "w", encoding="utf-8") as stream:
        json.dump(
            override_for(
                service,
                params["image"],
                params["environment"],
                binds,
                project.directory,
                params["code_dir"] or "",
            ),
            stream,
        )
    return project.argv(
        "run", "--rm", "--no-deps", "-T", "--entrypoint", python, service, "-", overrides=[override]
    )


def call(module: AnsibleModule) -> dict[str, Any]:
    """Run the script and return the module's result.

    Raises:
        DockerError: the script did not return a document; the text says why.
    """
    params = module.params
    project = project_of(params)
    text = program(
        params["sources"], params["params"], params["settings_module"], params["timeout"]
    )
    with tempfile.TemporaryDirectory(prefix="cutover-") as folder:
        command = command_for(project, params, folder)
        code, out, err = module.run_command(command, data=text, cwd=project.directory)
    where = f"the script {params['script']} in {params['service']} ({params['mode']})"
    if code == 142:
        raise DockerError(f"{where} took longer than {params['timeout']} s and was given up.")
    if code != 0:
        # A traceback ends with what went wrong.
        raise DockerError(
            f"{where} ended with status {code}: {last_lines(err, 1)}\nIts output ends with:\n"
            f"{last_lines(err)}"
        )
    try:
        result = json.loads(out)
    except ValueError:
        raise DockerError(f"{where} returned no JSON document but: {last_lines(out)}") from None
    return {"changed": bool(result.get("changed")), "result": result, "printed": last_lines(err)}


def main() -> None:
    """Run the script."""
    module = AnsibleModule(
        argument_spec={
            **PROJECT_ARGUMENTS,
            "script": {"type": "str", "required": True},
            "params": {"type": "dict", "default": {}},
            "service": {"type": "str", "required": True},
            "mode": {"type": "str", "choices": ["exec", "run"], "default": "exec"},
            "image": {"type": "str", "default": ""},
            "code_dir": {"type": "path", "default": ""},
            "environment": {"type": "dict", "default": {}},
            "overrides": {"type": "list", "elements": "path", "default": []},
            "python": {"type": "str", "default": "python"},
            "settings_module": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 120},
            "sources": {"type": "list", "elements": "list"},
        },
        supports_check_mode=True,
    )
    if not module.params["sources"]:
        module.fail_json(msg="app_script needs its action plugin: call it as a task's action.")
    try:
        module.exit_json(**call(module))
    except DockerError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
