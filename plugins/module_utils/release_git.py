# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Git in the deployment's checkout: run as its owner, never asking a question."""

from __future__ import annotations

import difflib
import os
import pwd
import re
import subprocess
from typing import Any

# Refs that the release keeps in the checkout's repository, so that nothing prunes its objects.
KEPT = "refs/cutover/"

SHA = re.compile(r"[0-9a-f]{7,40}\Z")


class GitError(Exception):
    """Git refused or failed; the text is a sentence for the operator."""


def without_credentials(text: str) -> str:
    """`text` with the user part of each URL in it replaced: a remote may carry a token."""
    return re.sub(r"(\b[a-z][a-z0-9+.-]*://)[^/@\s]+@", r"\1***@", text)


def parse_ls_remote(text: str) -> dict[str, str]:
    """Refs by name with the commit they lead to, from `git ls-remote`'s output.

    An annotated tag is listed twice, itself and, under `<name>^{}`, its commit: the commit wins.
    """
    refs: dict[str, str] = {}
    peeled: dict[str, str] = {}
    for line in text.splitlines():
        sha, _tab, name = line.partition("\t")
        if name.endswith("^{}"):
            peeled[name[:-3]] = sha
        elif name:
            refs[name] = sha
    return {**refs, **peeled}


def choose_ref(wanted: str, refs: dict[str, str]) -> str | None:
    """The full name of the ref that `wanted` names, None when there is none.

    Args:
        wanted: a full name (`refs/tags/v2`), `HEAD`, or the name of a tag or a branch.
        refs: what the remote has, see `parse_ls_remote`.

    Raises:
        GitError: a tag and a branch of that name lead to different commits.
    """
    if wanted in refs and (wanted == "HEAD" or wanted.startswith("refs/")):
        return wanted
    found = [name for name in (f"refs/tags/{wanted}", f"refs/heads/{wanted}") if name in refs]
    if len({refs[name] for name in found}) > 1:
        raise GitError(
            f"release_target_ref: {wanted!r} is a tag and a branch that lead to different "
            f"commits; expected one of them: say refs/tags/{wanted} or refs/heads/{wanted}."
        )
    return found[0] if found else None


def unknown_ref(wanted: str, remote: str, refs: dict[str, str]) -> str:
    """The sentence for a ref that the remote does not have, with the names nearest to it."""
    names = sorted({name.split("/", 2)[2] for name in refs if name.count("/") >= 2})
    near = difflib.get_close_matches(wanted, names, n=4, cutoff=0.5) or names[-4:]
    advice = f" It has, among others: {', '.join(near)}." if near else " It has no ref at all."
    return (
        f"release_target_ref: {wanted!r} is no tag, branch or commit of the remote "
        f"{remote!r}.{advice} Push the ref, or correct the variable."
    )


def identity(directory: str, user: str = "") -> dict[str, Any]:
    """`subprocess` arguments that run Git as `user`, by default as the folder's owner.

    Files that Git writes then belong to whom they belonged, the owner's SSH keys are used, and
    Git has no reason to distrust the repository. Without root's rights nothing is changed.

    Raises:
        GitError: there is no such user, or the folder is not there.
    """
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(user) if user else pwd.getpwuid(os.stat(directory).st_uid)
    except KeyError:
        if user:
            raise GitError(f"release_git_user: there is no user {user!r} on the host.") from None
        return {}
    except OSError as error:
        raise GitError(f"The folder {directory} cannot be used: {error.strerror}.") from None
    if entry.pw_uid == 0:
        return {}
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(entry.pw_name, entry.pw_gid),
        "env": {"HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name},
    }


class Git:
    """Git in one checkout.

    Attributes:
        directory: the folder it runs in.
        remote: the remote's name or URL.
        timeout: seconds that a command may take.
    """

    def __init__(
        self, directory: str, remote: str = "origin", user: str = "", timeout: float = 300
    ) -> None:
        self.directory = directory
        self.remote = remote
        self.timeout = timeout
        rights = identity(directory, user)
        environment = {**os.environ, **rights.pop("env", {})}
        environment.update(LC_ALL="C", GIT_TERMINAL_PROMPT="0", GIT_OPTIONAL_LOCKS="0")
        environment.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15")
        self._rights: dict[str, Any] = {**rights, "env": environment}

    def argv(self, *arguments: str) -> list[str]:
        """The command: no hook of the repository runs, and no advice is printed."""
        quiet = ["-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false"]
        return ["git", *quiet, *arguments]

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a command, for output that is read as it comes.

        Raises:
            GitError: Git is not on the host.
        """
        try:
            return subprocess.Popen(
                self.argv(*arguments), cwd=self.directory, **options, **self._rights
            )
        except FileNotFoundError:
            raise GitError(
                "git was not found on the host; release_strategy git needs it."
            ) from None

    def try_run(
        self, *arguments: str, stdin: bytes | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a command; its status is the caller's business.

        Args:
            stdin: what it reads; None gives it nothing.

        Raises:
            GitError: Git is not on the host, or took too long.
        """
        process = self.popen(
            *arguments,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            out, err = process.communicate(input=stdin, timeout=self.timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise GitError(
                f"`git {arguments[0]}` took longer than {self.timeout:g} s and was given up "
                "(release_git_timeout)."
            ) from None
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def run(self, *arguments: str) -> str:
        """Run a command and return its output.

        Raises:
            GitError: it failed; the text holds the last lines of what it said.
        """
        return os.fsdecode(self.run_bytes(*arguments))

    def run_bytes(self, *arguments: str, stdin: bytes | None = None) -> bytes:
        """Run a command and return its output as it is.

        Args:
            stdin: see `try_run`.

        Raises:
            GitError: see `run`.
        """
        done = self.try_run(*arguments, stdin=stdin)
        if done.returncode != 0:
            said = without_credentials(done.stderr.decode("utf-8", "replace")).strip()
            raise GitError(f"`git {arguments[0]}` in {self.directory} failed: {tail(said)}.")
        return done.stdout

    def succeeds(self, *arguments: str) -> bool:
        """Whether a command ends with status 0."""
        return self.try_run(*arguments).returncode == 0

    def top(self) -> tuple[str, str]:
        """The checkout's top folder and the path from there to this folder ("" when the same).

        Raises:
            GitError: the folder is no Git checkout.
        """
        done = self.try_run("rev-parse", "--show-toplevel", "--show-prefix")
        if done.returncode != 0:
            raise GitError(
                f"{self.directory} is no Git checkout ({tail(os.fsdecode(done.stderr))}); "
                "release_strategy git needs one. Use archive or image, or clone the repository."
            )
        root, prefix = (os.fsdecode(done.stdout) + "\n").split("\n")[:2]
        return root, prefix.rstrip("/")

    def head(self) -> tuple[str, str | None]:
        """The commit that is checked out, and the branch's name (None when detached)."""
        sha = self.run("rev-parse", "HEAD").strip()
        branch = self.try_run("symbolic-ref", "--quiet", "--short", "HEAD")
        return sha, os.fsdecode(branch.stdout).strip() or None

    def commit_of(self, name: str) -> str | None:
        """The full id of a commit that is in the repository already, else None."""
        done = self.try_run("rev-parse", "--quiet", "--verify", name + "^{commit}")
        return os.fsdecode(done.stdout).strip() if done.returncode == 0 else None

    def remote_refs(self) -> dict[str, str]:
        """The remote's branches and tags with their commits.

        Raises:
            GitError: the remote cannot be reached.
        """
        done = self.try_run("ls-remote", "--", self.remote)
        if done.returncode != 0:
            raise GitError(
                f"release_git_remote: the remote {without_credentials(self.remote)!r} of "
                f"{self.directory} does not answer: {tail(os.fsdecode(done.stderr))}. "
                "Nothing was changed; check the network and the host's access to the repository."
            )
        return parse_ls_remote(os.fsdecode(done.stdout))

    def fetch(self, *refspecs: str) -> None:
        """Fetch into the object store alone: FETCH_HEAD and remote-tracking refs stay.

        Raises:
            GitError: the remote cannot be reached, or does not have it.
        """
        quiet = ["--quiet", "--no-tags", "--no-write-fetch-head", "--refmap=", "--no-prune"]
        self.run("fetch", *quiet, "--no-auto-gc", "--no-recurse-submodules", self.remote, *refspecs)

    def forget(self, prefix: str) -> bool:
        """Delete the refs under `prefix`; True when there was one."""
        names = self.run("for-each-ref", "--format=%(refname)", prefix).split()
        for name in names:
            self.run("update-ref", "-d", name)
        return bool(names)


def tail(text: str, count: int = 4) -> str:
    """The last lines of what Git said, on one line, without credentials."""
    lines = [line.strip() for line in without_credentials(text).splitlines() if line.strip()]
    return "; ".join(lines[-count:]).rstrip(".") or "it said nothing"
