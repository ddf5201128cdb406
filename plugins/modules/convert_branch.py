#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Converts a Git checkout from Celery to Django-Q2 into a branch of its own."""

from __future__ import annotations

DOCUMENTATION = r"""
module: convert_branch
short_description: Converts a Git checkout from Celery to Django-Q2 into a branch of its own
version_added: 0.1.0
description:
  - Runs C(celery2q convert) in a clone of the checkout, one kind of change at a time, commits each,
    and fetches the result into the checkout as a new branch.
  - That fetch is the one thing that is written to the checkout. Its working tree, its index and its
    current branch stay as they are; when anything fails before, nothing is changed.
  - A branch that was made so from the same commit with the same choices is left alone.
options:
  source:
    description: The top folder of a clean checkout.
    type: path
    required: true
  branch:
    description: The branch that is made.
    type: str
    required: true
  dir:
    description: The folder in the checkout that holds the project; empty for its top.
    type: str
    default: ""
  executable:
    description: The program celery2q.
    type: path
    required: true
  queues:
    description: Celery's queues with the cluster that serves each; empty text is the default one.
    type: dict
    default: {}
  one_cluster:
    description: Queues that O(queues) does not name go to the default cluster.
    type: bool
    default: false
  archive:
    description: Keep the module of the Celery app under another name.
    type: bool
    default: false
  report:
    description:
      - The Markdown file for the reviewer, outside of the checkout.
      - Empty puts it beside the checkout, named after it and the branch.
    type: path
    default: ""
  author_name:
    description: Who commits; empty takes Git's own C(user.name).
    type: str
    default: ""
  author_email:
    description: The address of who commits; empty takes Git's own C(user.email).
    type: str
    default: ""
  timeout:
    description: Seconds for each run of celery2q.
    type: int
    default: 900
attributes:
  check_mode:
    description: The conversion is made in the clone and thrown away; nothing else is written.
    support: full
  diff_mode:
    description: The difference between the checkout's commit and the branch.
    support: full
requirements:
  - Git 2.29 or newer
  - celery2q
author:
  - The cutover.django_q maintainers
"""

EXAMPLES = r"""
- name: Convert a checkout
  cutover.django_q.convert_branch:
    source: /home/ann/air_risk
    branch: django-q
    executable: /opt/cutover/.venv/bin/celery2q
    queues: {gis: ""}
  delegate_to: localhost
"""

RETURN = r"""
base:
  description: The commit that was converted.
  type: str
  returned: success
existed:
  description: Whether the branch was there, made from the same commit with the same choices.
  type: bool
  returned: success
commits:
  description: The branch's commits, each with sha, kind, subject, files and settled.
  type: list
  elements: dict
  returned: success
errors:
  description: Findings of error level that are left, each with rule, path, line, message and fix.
  type: list
  elements: dict
  returned: success
warnings_left:
  description: Findings of warning level that are left.
  type: list
  elements: dict
  returned: success
skipped:
  description: Inputs that could not be read, each with path and reason.
  type: list
  elements: dict
  returned: success
settled:
  description: Findings that were settled, by rule.
  type: dict
  returned: success
report:
  description: The path of the report.
  type: str
  returned: success
"""

import os
import tempfile
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import atomic_file
from ansible_collections.cutover.django_q.plugins.module_utils.convert_git import (
    ConvertError,
    Repository,
)
from ansible_collections.cutover.django_q.plugins.module_utils.convert_steps import (
    Converter,
    Steps,
    take_steps,
    whole_report,
)

TITLE = "# From Celery to Django-Q2\n"


def converter_of(params: dict[str, Any]) -> Converter:
    """The program with the project's choices as its options."""
    options = [
        part
        for queue, cluster in sorted(params["queues"].items())
        for part in ("--queue", f"{queue}={cluster or ''}")
    ]
    options += ["--one-cluster"] if params["one_cluster"] else []
    options += ["--archive"] if params["archive"] else []
    return Converter(params["executable"], tuple(options), params["timeout"])


def report_path(params: dict[str, Any]) -> str:
    """Where the report goes.

    Raises:
        ConvertError: it would stand in the checkout, cannot be written, or something else is there.
    """
    source = os.path.realpath(params["source"])
    path = params["report"] or f"{source}-{params['branch'].replace('/', '-')}.md"
    folder = os.path.realpath(os.path.dirname(os.path.abspath(path)))
    if (folder + os.sep).startswith(source + os.sep):
        raise ConvertError(
            f"convert_report: {path} is in the checkout, whose working tree is not to be touched; "
            "expected a file beside it."
        )
    if not (os.path.isdir(folder) and os.access(folder, os.W_OK)):
        raise ConvertError(
            f"convert_report: {path} cannot be written, since {folder} is no folder that can be "
            "written to."
        )
    if os.path.lexists(path):
        try:
            with open(path, encoding="utf-8") as stream:
                ours = stream.readline() == TITLE
        except (OSError, ValueError):
            ours = False
        if not ours:
            raise ConvertError(
                f"convert_report: {path} is there and is no report of a conversion; move it away, "
                "or name another file."
            )
    return path


def is_made(source: Repository, base: str, branch: str, tool: str) -> bool:
    """Whether the branch is there, made as it would be made now.

    Raises:
        ConvertError: it is there, and is another one.
    """
    if not source.commit_of(branch):
        return False
    bases, tools = source.converted(base, branch)
    if bases == {base} and tools == {tool}:
        return True
    by = f"converted from {', '.join(sorted(bases))} by {', '.join(sorted(tools))}"
    raise ConvertError(
        f"convert_branch: the branch {branch!r} is there already, "
        + (by if bases else "and no commit of it says that it was converted from here")
        + f"; now it would be from {base} by {tool}. Name another branch, or delete this one: "
        f"`git -C {source.folder} branch -D {branch}`."
    )


def convert(params: dict[str, Any], dry: bool, show: bool) -> dict[str, Any]:
    """Make the branch; the module's result."""
    source = Repository(os.path.abspath(params["source"]))
    base = source.require_clean()
    branch = params["branch"]
    source.require_name(branch)
    converter = converter_of(params)
    folder = params["dir"].strip("/")
    tool = " ".join([converter.version(), *converter.options, *(["in", folder] if folder else [])])
    path = report_path(params)
    if is_made(source, base, branch, tool):
        return result_of(Steps(), base, path, existed=True, changed=False)
    identity = source.identity(params["author_name"], params["author_email"])
    with tempfile.TemporaryDirectory(prefix="cutover-convert-") as scratch:
        clone = source.clone_to(os.path.join(scratch, "clone"), base, identity)
        steps = take_steps(converter, clone, folder, base, tool, os.path.join(scratch, "report.md"))
        result = result_of(steps, base, path, existed=False, changed=bool(steps.commits))
        if show:
            result["diff"] = {"prepared": clone.run("diff", "--no-color", base, "HEAD")}
        if steps.commits and not dry:
            source.take(clone.folder, branch)
            write_report(path, whole_report(steps, branch, base, tool))
    return result


def write_report(path: str, text: str) -> None:
    """Write the report.

    Raises:
        ConvertError: it cannot be written; the branch is there.
    """
    try:
        atomic_file.replace(path, text.encode("utf-8", "surrogateescape"), 0o644)
    except OSError as error:
        raise ConvertError(
            f"convert_report: the branch was made, and {path} cannot be written: {error.strerror}."
        ) from None


def result_of(steps: Steps, base: str, path: str, existed: bool, changed: bool) -> dict[str, Any]:
    """The module's result."""
    return {
        "changed": changed,
        "base": base,
        "existed": existed,
        "commits": steps.commits,
        "errors": steps.level("error"),
        "warnings_left": steps.level("warning"),
        "skipped": steps.skipped,
        "settled": steps.settled,
        "report": path,
    }


def main() -> None:
    """Make the branch and say what is left for people."""
    module = AnsibleModule(
        argument_spec={
            "source": {"type": "path", "required": True},
            "branch": {"type": "str", "required": True},
            "dir": {"type": "str", "default": ""},
            "executable": {"type": "path", "required": True},
            "queues": {"type": "dict", "default": {}},
            "one_cluster": {"type": "bool", "default": False},
            "archive": {"type": "bool", "default": False},
            "report": {"type": "path", "default": ""},
            "author_name": {"type": "str", "default": ""},
            "author_email": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 900},
        },
        supports_check_mode=True,
    )
    try:
        result = convert(module.params, module.check_mode, module._diff)
    except ConvertError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"The checkout cannot be converted: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
