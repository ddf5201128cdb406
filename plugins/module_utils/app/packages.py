# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Tells which of some Python distributions are installed in the application's container.

Params:
    names: the distributions' names; case, `-` and `_` make no difference.
"""

from __future__ import annotations

READS_ONLY = True


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {installed: {name: version}}
    """
    from importlib import metadata

    installed = {}
    for name in params["names"]:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"installed": installed}
