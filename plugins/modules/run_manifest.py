#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Reads and writes a run's manifest."""

from __future__ import annotations

DOCUMENTATION = r"""
module: run_manifest
short_description: Reads and writes a run's manifest
version_added: 0.1.0
description:
  - The manifest is the truth of a run. Resume, rollback and report read it and nothing else.
  - It is written beside and renamed, with mode 0600, so that it is whole or the one before.
  - A manifest of an unknown format version is refused.
options:
  path:
    description: The manifest's path on the host. Its folder must be there.
    type: path
    required: true
  create:
    description: Write O(merge) as a new manifest; fails when there is one.
    type: bool
    default: false
  merge:
    description: Values to merge into the manifest. Dictionaries merge, all else is replaced.
    type: dict
    default: {}
  missing_ok:
    description: Where there is no manifest, return an empty one and write nothing.
    type: bool
    default: false
  current:
    description: >-
      In check mode, the manifest as it would be by now: nothing was written. The action plugin
      sets it.
    type: dict
  phase:
    description: >-
      The name of the phase that starts now. The one that runs is closed with the outcome V(ok).
    type: str
    default: ""
  outcome:
    description: Closes the running phase with this outcome and starts none.
    type: str
    choices: [ok, failed, ""]
    default: ""
attributes:
  check_mode:
    description: Nothing is written; the manifest that would result is returned.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Start the phase of the backup
  cutover.django_q.run_manifest:
    path: /var/lib/cutover/air_risk/runs/20260101T020000Z-1a2b/manifest.json
    phase: postgres_backup
"""

RETURN = r"""
ansible_facts:
  description: The manifest as it stands now, as the fact C(run_record_manifest).
  type: dict
  returned: success
"""

import json
import os
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.moment import now

# The version of the manifest's form. A change that an older reader would misread raises it.
FORMAT = 1


class ManifestError(Exception):
    """The manifest cannot be used; the text is a sentence for the operator."""


def merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """`old` with the values of `new`: dictionaries merge, all else is replaced."""
    result = dict(old)
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result


def with_phase(manifest: dict[str, Any], phase: str, outcome: str, moment: str) -> dict[str, Any]:
    """The manifest with its running phase closed and, if `phase` is given, that one started.

    A phase of the same name that runs already goes on: a resumed run starts it once more.
    """
    phases = [dict(item) for item in manifest.get("phases", [])]
    for item in phases:
        if item["outcome"] == "running":
            item["end"], item["outcome"] = moment, outcome or "ok"
    if phase:
        phases.append({"name": phase, "start": moment, "end": None, "outcome": "running"})
    return {**manifest, "phases": phases}


def read(path: str) -> dict[str, Any]:
    """The manifest at `path`.

    Raises:
        ManifestError: it is not there, is no JSON object or has another format version.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            manifest = json.load(stream)
    except FileNotFoundError:
        raise ManifestError(
            f"There is no manifest at {path}; expected the one of a run. "
            "Without it nothing is known of what ran before."
        ) from None
    except (OSError, ValueError) as error:
        raise ManifestError(f"The manifest {path} cannot be read: {error}.") from None
    found = manifest.get("format") if isinstance(manifest, dict) else None
    if found != FORMAT:
        raise ManifestError(
            f"The manifest {path} has the format {found!r}; this version reads {FORMAT}. "
            "Use the version of cutover.django_q that made it."
        )
    return manifest


def main() -> None:
    """Read the manifest, change it as asked, write it."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "create": {"type": "bool", "default": False},
            "missing_ok": {"type": "bool", "default": False},
            "current": {"type": "dict"},
            "merge": {"type": "dict", "default": {}},
            "phase": {"type": "str", "default": ""},
            "outcome": {"type": "str", "choices": ["ok", "failed", ""], "default": ""},
        },
        supports_check_mode=True,
    )
    params = module.params
    path = params["path"]
    before: dict[str, Any]
    manifest: dict[str, Any]
    try:
        if module.check_mode and params["current"] and not params["create"]:
            before = manifest = params["current"]
        elif params["missing_ok"] and not os.path.exists(path):
            module.exit_json(changed=False, ansible_facts={"run_record_manifest": {}})
        elif params["create"]:
            if os.path.exists(path):
                raise ManifestError(f"There is a manifest at {path} already; it was left alone.")
            before = {}
            manifest = {"format": FORMAT, "created": now(), "phases": []}
        else:
            before = manifest = read(path)
        manifest = merged(manifest, params["merge"])
        if params["phase"] or params["outcome"]:
            manifest = with_phase(manifest, params["phase"], params["outcome"], now())
        changed = manifest != before
        if changed and not module.check_mode:
            atomic_file.replace_json(path, manifest)
    except ManifestError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The manifest {path} cannot be written: {error}.")
    module.exit_json(changed=changed, ansible_facts={"run_record_manifest": manifest})


if __name__ == "__main__":
    main()
