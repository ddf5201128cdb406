#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Documentation of the action plugin of the same name, which does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
module: preflight_lint
short_description: Lints the code of a release on the control node
version_added: 0.1.0
description:
  - Runs C(celery2q lint) on the control node over the text of a release, which
    M(cutover.django_q.release_text) takes from the host, or which stands in the archive on the
    control node.
  - The text is laid out in a folder that only its owner can read, and removed afterwards.
  - It never fails. What the linter finds, and what keeps it from its work, are findings for the
    filter P(cutover.django_q.preflight_findings#filter).
options:
  strategy:
    description: How the release reaches the host.
    type: str
    choices: [git, archive, image]
    required: true
  project_dir:
    description: The folder of the deployment, a checkout for O(strategy=git).
    type: path
    required: true
  commit:
    description: The target's commit, for O(strategy=git).
    type: str
    default: ""
  user:
    description: Who Git runs as; empty for the owner of O(project_dir).
    type: str
    default: ""
  archive:
    description: The release's tar on the control node, for O(strategy=archive).
    type: path
  strip:
    description: How many leading parts of the tar's paths to leave out.
    type: int
    default: 0
  image:
    description: The target's image on the host, for O(strategy=image).
    type: str
    default: ""
  dir:
    description: >-
      The folder that is linted, relative to the top of the release, or a path in the image; empty
      for all of it, or the image's working directory.
    type: str
    default: ""
  executable:
    description: The path of celery2q on the control node.
    type: path
    required: true
  accept:
    description: Findings that are accepted, each with C(rule) and maybe C(path) and C(reason).
    type: list
    elements: dict
    default: []
  max_bytes:
    description: Bytes of text that are brought to the control node, 512 added for each file.
    type: int
    required: true
  timeout:
    description: Seconds for each of reading, bringing and linting.
    type: int
    required: true
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
- name: Lint a commit
  cutover.django_q.preflight_lint:
    strategy: git
    project_dir: /srv/air_risk
    commit: 5f0c2a8f4f2e6f0e5b1d5d6f2f8f2a0f6c1b7e3d
    executable: /opt/cutover/.venv/bin/celery2q
    max_bytes: 67108864
    timeout: 300
  register: linted
"""

RETURN = r"""
findings:
  description: Each with C(id), C(level), C(found), C(expected) and C(fix).
  type: list
  elements: dict
  returned: always
  sample:
    - id: lint[plain-call]
      level: error
      found: "reports/views.py:14: reports.tasks.render is a plain function: it has no .delay"
      expected: code that neither needs Celery nor hands Django-Q2 what it cannot run
      fix: "Call async_task('reports.tasks.render', …)."
unchecked:
  description: What could not be looked at though nothing is wrong, with C(what) and C(because).
  type: list
  elements: dict
  returned: always
figures:
  description: >-
    The linter's version, the files and bytes that it read, the seconds that it took with bringing
    them, and the number of errors, warnings and notes. Empty when it could not do its work.
  type: dict
  returned: always
"""
