# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Lints the target release on the control node; the host hands its text over."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.action import ActionBase
from ansible_collections.cutover.django_q.plugins.module_utils.preflight_lint import (
    judge_lint,
    problem,
    skipped,
)
from ansible_collections.cutover.django_q.plugins.module_utils.release_text import (
    Reads,
    TextError,
    Texts,
    lay,
    of_tar,
)

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
INSTALL = (
    "Install the converter into ansible-playbook's Python, `pip install ./converter` in this "
    "project's checkout, or say where it is in preflight_lint_executable."
)
# What `lint` ends with: nothing, errors, or inputs that it names and skips.
STATUSES = (0, 1, 2)


class Impossible(Exception):
    """The linter cannot do its work; it holds the finding that says why."""

    def __init__(self, found: str, expected: str, fix: str) -> None:
        super().__init__(found)
        self.finding = problem(found, expected, fix)


class NotThere(Exception):
    """There is no text to lint, and that is no mistake; the text says why."""


class ActionModule(ActionBase):
    """The whole of `preflight_lint`."""

    _requires_connection = True

    def run(
        self, tmp: str | None = None, task_vars: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Lint the target; what goes wrong is a finding as well."""
        result = super().run(tmp, task_vars)
        result.update(changed=False, findings=[], unchecked=[], figures={})
        arguments = self._task.args
        try:
            description = self._described(arguments)
            result["findings"], result["figures"] = self._lint(
                arguments, description, task_vars or {}
            )
        except Impossible as error:
            result["findings"] = [error.finding]
        except NotThere as reason:
            result["unchecked"] = [skipped(str(reason))]
        return result

    def _described(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """What the linter says about itself."""
        executable = arguments["executable"]
        if not (os.path.isfile(executable) and os.access(executable, os.X_OK)):
            raise Impossible(
                f"there is no program {executable} on the control node",
                "celery2q beside ansible-playbook's Python (preflight_lint_executable)",
                INSTALL,
            )
        text = self._celery2q(arguments, (0,), "describe")
        try:
            description = json.loads(text)
            Reads.of(description["reads"])
        except (ValueError, KeyError, TypeError):
            raise Impossible(
                f"{executable} describe printed {text[:80]!r}", "celery2q of this project", INSTALL
            ) from None
        return description

    def _lint(
        self, arguments: dict[str, Any], description: dict[str, Any], task_vars: dict[str, Any]
    ) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """Bring the text here, lint it, take it away again."""
        began = time.monotonic()
        # Of its owner alone (0700), as mkdtemp makes it.
        folder = tempfile.mkdtemp(prefix="cutover-lint-")
        try:
            measured = self._lay(arguments, Reads.of(description["reads"]), folder, task_vars)
            text = self._celery2q(arguments, STATUSES, "lint", folder, "--format", "json")
        finally:
            shutil.rmtree(folder)
        try:
            document = json.loads(text)
        except ValueError:
            raise Impossible(
                f"`celery2q lint` printed no report: {text[:200]!r}", "its report", INSTALL
            ) from None
        measured["seconds"] = time.monotonic() - began
        return judge_lint(document, description, arguments.get("accept") or [], measured)

    def _celery2q(self, arguments: dict[str, Any], statuses: tuple[int, ...], *words: str) -> str:
        """Run the linter and return what it prints."""
        executable, timeout = arguments["executable"], int(arguments["timeout"])
        try:
            done = subprocess.run(
                [executable, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=timeout,
                check=False,
                text=True,
                errors="replace",
            )
        except subprocess.TimeoutExpired:
            raise Impossible(
                f"`{executable} {words[0]}` took longer than {timeout} s and was given up",
                "an answer within preflight_lint_timeout",
                "Raise preflight_lint_timeout.",
            ) from None
        except OSError as error:
            raise Impossible(
                f"{executable} cannot be run: {error.strerror}", "celery2q", INSTALL
            ) from None
        # A usage error ends with 2 as well, and prints nothing.
        if done.returncode not in statuses or not done.stdout:
            said = "; ".join(done.stderr.strip().splitlines()[-4:]) or "it said nothing"
            raise Impossible(
                f"`{executable} {words[0]}` ended with status {done.returncode}: {said}",
                "a target that it can read, and celery2q of this project",
                "Mend what it says. " + INSTALL,
            )
        return done.stdout

    def _lay(
        self, arguments: dict[str, Any], reads: Reads, folder: str, task_vars: dict[str, Any]
    ) -> dict[str, Any]:
        """Write the target's text below a folder; returns files, bytes and skipped."""
        limit = int(arguments["max_bytes"])
        try:
            if arguments["strategy"] == "archive":
                texts = self._of_archive(arguments, reads, limit)
                packed, skipped_paths = texts.packed(), texts.skipped
                size = sum(len(content) for content in texts.files.values())
            else:
                done = self._of_host(arguments, limit, reads, task_vars)
                packed, skipped_paths, size = done["texts"], done["skipped"], done["bytes"]
            count = lay(packed, folder, limit)
        except TextError as error:
            raise Impossible(
                str(error),
                "the text of a release, of which the linter reads a part",
                "Raise preflight_lint_max_bytes, or say in preflight_lint_dir where the "
                "application is.",
            ) from None
        return {"files": count, "bytes": size, "skipped": skipped_paths}

    def _of_host(
        self,
        arguments: dict[str, Any],
        limit: int,
        reads: Reads,
        task_vars: dict[str, Any],
    ) -> dict[str, Any]:
        """What the module `release_text` takes from the host."""
        done = self._execute_module(
            module_name="cutover.django_q.release_text",
            module_args={
                "source": arguments["strategy"],
                "project_dir": arguments["project_dir"],
                "commit": arguments.get("commit") or "",
                "user": arguments.get("user") or "",
                "image": arguments.get("image") or "",
                "dir": arguments.get("dir") or "",
                "reads": {
                    "suffixes": sorted(reads.suffixes),
                    "names": reads.names.pattern,
                    "skipped_folders": sorted(reads.skipped_folders),
                    "skipped_suffix": reads.skipped_suffix,
                    "largest": reads.largest,
                },
                "max_bytes": limit,
                "timeout": int(arguments["timeout"]),
            },
            task_vars=task_vars,
        )
        if done.get("failed"):
            raise TextError(str(done.get("msg") or "the host said nothing"))
        if not done["there"]:
            name = "commit" if arguments["strategy"] == "git" else "image"
            raise NotThere(
                f"the target's {name} is not on the host"
                + (
                    ", and in check mode nothing is fetched"
                    if self._play_context.check_mode
                    else ""
                )
            )
        return done

    def _of_archive(self, arguments: dict[str, Any], reads: Reads, limit: int) -> Texts:
        """The text of the release's archive, which stands on the control node."""
        if not arguments.get("archive"):
            raise NotThere("release_archive is not set")
        try:
            path = self._find_needle("files", arguments["archive"])
        except AnsibleError:
            raise TextError(
                f"release_archive: there is no {arguments['archive']} on the control node."
            ) from None
        texts = Texts(limit, f"the archive {os.path.basename(path)}")
        strip, folder = int(arguments.get("strip") or 0), (arguments.get("dir") or "").strip("/")
        with open(path, "rb") as stream:
            packed = stream.read(4) == ZSTD_MAGIC
            stream.seek(0)
            if not packed:
                return of_tar(stream, strip, folder, reads, texts)
            program = shutil.which("zstd")
            if program is None:
                raise Impossible(
                    f"{path} is compressed by zstd, and there is no program zstd on the control "
                    "node",
                    "zstd, or another compression",
                    "Install zstd.",
                )
            with subprocess.Popen(
                [program, "-dcq"], stdin=stream, stdout=subprocess.PIPE
            ) as process:
                assert process.stdout is not None
                try:
                    of_tar(process.stdout, strip, folder, reads, texts)
                except TextError:
                    process.kill()
                    raise
                while process.stdout.read(1 << 20):
                    pass  # the padding after the tar's end
        return texts
