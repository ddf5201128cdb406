#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Keeps the newest dumps of a folder and deletes the others."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_retention
short_description: Delete old dumps, never the newest verified one
description:
  - Keeps the newest O(keep) dumps of a database in a folder, and the newest verified one even when
    it is older. "Newest" is what the sidecars record, not what the file system says.
  - Files without a sound sidecar are not counted and not deleted; they are returned.
author: The cutover.django_q maintainers
options:
  dir:
    description: The folder.
    type: path
    required: true
  database:
    description: Only dumps of this database.
    type: str
    required: true
  keep:
    description: How many dumps stay, 1 or more.
    type: int
    required: true
attributes:
  check_mode:
    support: full
    description: In check mode it returns what it would delete.
  idempotent:
    support: full
    description: A second run finds nothing to delete.
"""

EXAMPLES = r"""
- name: Keep the newest five dumps
  cutover.django_q.postgres_retention:
    dir: /var/lib/cutover/air_risk/backups
    database: air_risk
    keep: 5
"""

RETURN = r"""
kept:
  description: Dumps that stay, the newest first.
  type: list
  elements: str
  returned: success
deleted:
  description: Dumps that were deleted.
  type: list
  elements: str
  returned: success
untrusted:
  description: Dumps without a sound sidecar; nobody counts or deletes them.
  type: list
  elements: str
  returned: success
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_sidecar


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "dir": {"type": "path", "required": True},
            "database": {"type": "str", "required": True},
            "keep": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )
    if module.params["keep"] < 1:
        module.fail_json(
            msg=f"postgres_backup_keep is {module.params['keep']}; expected 1 or more."
        )
    dumps, untrusted = postgres_sidecar.scan(module.params["dir"], module.params["database"])
    old = postgres_sidecar.superfluous(dumps, module.params["keep"])
    if not module.check_mode:
        try:
            for dump in old:
                postgres_sidecar.delete(dump)
        except OSError as error:
            module.fail_json(msg=f"An old dump could not be deleted: {error}.")
    module.exit_json(
        changed=bool(old),
        kept=[dump.path for dump in dumps if dump not in old],
        deleted=[dump.path for dump in old],
        untrusted=untrusted,
    )


if __name__ == "__main__":
    main()
