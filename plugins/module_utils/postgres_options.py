# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The options that all postgres modules share, and the frame they run in."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_program import (
    Options,
)

#: Documented by the fragment ``cutover.django_q.postgres_connection``.
CONNECTION_ARGUMENTS: dict[str, dict[str, Any]] = {
    "container": {"type": "str", "default": ""},
    "host": {"type": "str", "default": ""},
    "port": {"type": "int", "default": 5432},
    "user": {"type": "str", "default": ""},
    "password": {"type": "str", "default": "", "no_log": True},
    "database": {"type": "str", "default": ""},
    "sslmode": {"type": "str", "default": ""},
    "sslrootcert": {"type": "str", "default": ""},
    "client_dir": {"type": "str", "default": ""},
    "connect_timeout": {"type": "int", "default": 10},
    "docker": {"type": "str", "default": "docker"},
}


def options_of(params: dict[str, Any]) -> Options:
    """The connection's options out of a module's parameters."""
    return Options(**{key: params[key] for key in CONNECTION_ARGUMENTS})


def run_module(
    arguments: dict[str, dict[str, Any]],
    work: Callable[[AnsibleModule], dict[str, Any]],
    **rules: Any,
) -> None:
    """Build the module, do its work and answer; SIGTERM and SIGHUP end it with a clean-up.

    Args:
        arguments: The module's own options, beside the connection's.
        work: Returns the result, or raises PostgresError.
        **rules: AnsibleModule's own, such as ``required_if``.
    """
    module = AnsibleModule(
        argument_spec={**CONNECTION_ARGUMENTS, **arguments},
        supports_check_mode=True,
        **rules,
    )
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    try:
        result = work(module)
    except PostgresError as error:
        module.fail_json(msg=str(error), problem=error.finding())
    except OSError as error:
        problem = PostgresError("system", "The host refused an operation.", found=str(error))
        module.fail_json(msg=str(problem), problem=problem.finding())
    module.exit_json(**result)
