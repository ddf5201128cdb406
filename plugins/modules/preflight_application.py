#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Documentation of the action plugin of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_application
short_description: Asks the application several questions in one task
version_added: 0.1.0
description:
  - Runs scripts of C(plugins/module_utils/app) that only read inside the application, as
    M(cutover.django_q.app_script) would, all of a container in one process.
  - A question that fails does not fail the task. Its answer holds the error, for the preflight to
    judge, so that one broken container hides nothing about the others.
extends_documentation_fragment:
  - cutover.django_q.compose_project
options:
  questions:
    description:
      - The questions, each with C(service), C(parts) and, if need be, C(mode), C(image),
        C(code_dir), C(environment) and C(overrides) with the meanings they have in
        M(cutover.django_q.app_script).
      - A part has C(name) (under which its answer is returned), C(script) and C(params).
    type: list
    elements: dict
    required: true
  python:
    description: The Python interpreter inside the containers.
    type: str
    default: python
  settings_module:
    description: Django's settings module; empty finds it out.
    type: str
    default: ""
  timeout:
    description: Seconds for each question.
    type: int
    default: 120
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
- name: Ask the application
  cutover.django_q.preflight_application:
    project_dir: /srv/air_risk
    project_name: air_risk
    questions:
      - service: web
        parts:
          - {name: django_q, script: django_q_state}
  register: application
"""

RETURN = r"""
answers:
  description: The answers by the part's name, each with C(result) and C(error).
  type: dict
  returned: always
  sample:
    django_q:
      result: {installed: true}
      error: ""
"""
