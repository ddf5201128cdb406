#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Documentation of the action plugin of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_arguments
short_description: Judges the arguments of all roles before any of them has started
version_added: 0.1.0
description:
  - A role's argument specification is looked at by Ansible only when that role starts. This action
    reads the specifications of all roles, all entry points, on the control node, and fails with
    one message that names every variable that is missing, of the wrong type or misspelt.
  - The values are judged by the same code as in M(ansible.builtin.validate_argument_spec).
  - What a variable holds is worked out with the defaults of all roles in sight.
options:
  roles_dir:
    description: The folder on the control node in which the roles stand.
    type: path
    required: true
  roles:
    description: The names of the roles to look at. Empty looks at all of them.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: It only reads, in check mode too.
    support: full
  diff_mode:
    description: There is nothing to show.
    support: none
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Look at every role's arguments
  cutover.django_q.preflight_arguments:
    roles_dir: "{{ role_path | dirname }}"
"""

RETURN = r"""
roles:
  description: The names of the roles whose arguments were looked at.
  type: list
  elements: str
  returned: always
"""
