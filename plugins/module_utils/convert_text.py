# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""What a conversion came to, for the person who ran it."""

from __future__ import annotations

from typing import Any

# Errors that are listed; the report has them all.
SHOWN = 40


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 error`, `2 errors`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def convert_text(done: dict[str, Any], source: str, branch: str, dry: bool) -> str:
    """The result of the module `convert_branch` in words.

    Args:
        dry: whether it was made in check mode.
    """
    short = done["base"][:12]
    if done["existed"]:
        return (
            f"The branch {branch} of {source} is there already, converted from the same commit "
            f"({short}) with the same choices. Nothing was changed."
        )
    lines = []
    if not done["commits"]:
        lines.append(f"Nothing in {source} ({short}) is to be converted. No branch was made.")
    else:
        verb = "would get" if dry else "has"
        lines.append(f"{source} {verb} the branch {branch}, converted from {short}:")
        lines += [
            f"  {'' if dry else item['sha'][:12] + ' '}{item['subject']} "
            f"({counted(item['files'], 'file')}, {counted(item['settled'], 'finding')} settled)"
            for item in done["commits"]
        ]
    errors = done["errors"]
    lines.append(
        f"Left for people: {counted(len(errors), 'error')}, "
        f"{counted(len(done['warnings_left']), 'warning')}."
    )
    for item in errors[:SHOWN]:
        lines.append(f"  {item['path']}:{item['line']}: [{item['rule']}] {item['message']}")
        lines.append(f"    do: {item['fix']}")
    if len(errors) > SHOWN:
        lines.append(f"  and {len(errors) - SHOWN} more errors")
    lines += [f"  {item['path']}: skipped: {item['reason']}" for item in done["skipped"]]
    if done["commits"] and not dry:
        lines += [
            f"Read first: {done['report']}",
            f"Then: git -C {source} log --patch --reverse {short}..{branch}",
        ]
    return "\n".join(lines)
