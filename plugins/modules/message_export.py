#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Keeps messages of a broker in a file before they are removed from it."""

from __future__ import annotations

DOCUMENTATION = r"""
module: message_export
short_description: Keeps messages of a broker in a file before they are removed from it
version_added: 0.1.0
description:
  - Adds messages to a file of JSON, each once. What stands there stays, so that a repeat after an
    interruption loses nothing of what the call before had exported.
  - The file is written beside, flushed to the disk and renamed, with mode 0600. When the module
    returns, the messages survive a crash of the host and may be removed from the broker.
options:
  path:
    description: The file on the host. Its folder must be there.
    type: path
    required: true
  messages:
    description: >-
      The messages, each a dictionary with at least C(digest), which tells one from another. Their
      arguments may be secret, so that the task needs C(no_log).
    type: list
    elements: dict
    required: true
attributes:
  check_mode:
    description: Nothing is written.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Export what only a Celery worker could run
  cutover.django_q.message_export:
    path: /var/lib/cutover/air_risk/runs/20260101T020000Z-1a2b/dropped_messages.json
    messages: "{{ moved.result.unmovable }}"
  no_log: true
"""

RETURN = r"""
digests:
  description: The digests of O(messages), all of which stand in the file now.
  type: list
  elements: str
  returned: success
count:
  description: How many messages the file holds.
  type: int
  returned: success
"""

import json
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file


class ExportError(Exception):
    """The file cannot be added to; the text is a sentence for the operator."""


def read(path: str) -> list[dict[str, Any]]:
    """The messages that a file holds; none where there is no file.

    Raises:
        ExportError: it is no export.
    """
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except FileNotFoundError:
        return []
    except ValueError as error:
        raise ExportError(f"{path} is no export of messages: {error}. Move it away.") from None
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise ExportError(f"{path} is no export of messages: expected a list. Move it away.")
    return found


def together(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Old and new messages, each digest once, in the order in which they came."""
    found = {item.get("digest"): item for item in old}
    for item in new:
        found.setdefault(item["digest"], item)
    return list(found.values())


def main() -> None:
    """Add the messages to the file."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "messages": {"type": "list", "elements": "dict", "required": True},
        },
        supports_check_mode=True,
    )
    path, messages = module.params["path"], module.params["messages"]
    try:
        if not all(item.get("digest") for item in messages):
            raise ExportError("A message has no digest; expected one of each. Nothing was written.")
        old = read(path)
        kept = together(old, messages)
        changed = kept != old
        if changed and not module.check_mode:
            atomic_file.replace_json(path, kept)
    except ExportError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"{path} cannot be written: {error}. The messages are in the broker.")
    module.exit_json(
        changed=changed, digests=[item["digest"] for item in messages], count=len(kept)
    )


if __name__ == "__main__":
    main()
