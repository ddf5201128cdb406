# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The options that say which Compose project is meant, shared by the modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of `module_utils.docker_cli.PROJECT_ARGUMENTS`."""

    DOCUMENTATION = r"""
options:
  project_dir:
    description: The folder of the Compose project on the host.
    type: path
    required: true
  project_name:
    description: Compose's project name.
    type: str
    required: true
  files:
    description: Compose files, relative to O(project_dir), in the order of Compose's C(-f).
    type: list
    elements: str
    default: [docker-compose.yml]
  env_files:
    description: Files for Compose's C(--env-file), relative to O(project_dir).
    type: list
    elements: str
    default: []
requirements:
  - Docker Engine and Compose v2 on the host
"""
