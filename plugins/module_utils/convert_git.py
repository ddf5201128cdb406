# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A checkout that is to be converted, and the clone in which that is done.

The checkout is read, and gets one branch by one `git fetch` at the end. Its working tree, its index
and its current branch are never written.
"""

from __future__ import annotations

import os
import subprocess

# What would lead Git elsewhere than to the folder that it is told.
_LEADING = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX")
# Trailers of the commits: what was converted, and by what.
BASE_TRAILER, TOOL_TRAILER = "Converted-from", "Converted-by"


class ConvertError(Exception):
    """The checkout cannot be converted; the text is a sentence for the operator."""


class Repository:
    """Git in one folder, with nothing of the user's hooks and filters.

    Attributes:
        folder: the folder it runs in.
        identity: (name, email) of commits; empty where none is made.
    """

    def __init__(self, folder: str, identity: tuple[str, str] = ("", "")) -> None:
        self.folder = folder
        self._env = {key: value for key, value in os.environ.items() if key not in _LEADING}
        self._env.update(
            LC_ALL="C",
            GIT_TERMINAL_PROMPT="0",
            # `git status` would write the index otherwise.
            GIT_OPTIONAL_LOCKS="0",
            GIT_LFS_SKIP_SMUDGE="1",
            GIT_LITERAL_PATHSPECS="1",
        )
        for who in ("AUTHOR", "COMMITTER"):
            if identity[0]:
                self._env[f"GIT_{who}_NAME"] = identity[0]
            if identity[1]:
                self._env[f"GIT_{who}_EMAIL"] = identity[1]

    def ask(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command; its status is the caller's business.

        Raises:
            ConvertError: Git is not here.
        """
        plain = ["core.hooksPath=/dev/null", "core.autocrlf=false", "core.quotePath=false"]
        plain += ["commit.gpgSign=false", "advice.detachedHead=false", "gc.auto=0"]
        options = [part for setting in plain for part in ("-c", setting)]
        try:
            return subprocess.run(
                ["git", *options, *arguments],
                cwd=self.folder,
                env=self._env,
                input=stdin,
                capture_output=True,
                check=False,
                text=True,
                errors="surrogateescape",
            )
        except FileNotFoundError:
            raise ConvertError("There is no program git on the control node; install it.") from None

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Run a command and return its output.

        Raises:
            ConvertError: it failed; the text holds the last lines of what it said.
        """
        done = self.ask(*arguments, stdin=stdin)
        if done.returncode != 0:
            said = "; ".join(done.stderr.strip().splitlines()[-4:]) or "it said nothing"
            raise ConvertError(f"`git {arguments[0]}` in {self.folder} failed: {said}.")
        return done.stdout

    # --- the checkout

    def require_clean(self) -> str:
        """The commit that is checked out, when the working tree holds nothing else.

        Raises:
            ConvertError: it is no checkout, has no commit, or has changes.
        """
        if not os.path.isdir(self.folder):
            raise ConvertError(f"convert_source: there is no folder {self.folder}.")
        top = self.ask("rev-parse", "--show-toplevel")
        if top.returncode != 0:
            said = top.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            raise ConvertError(
                f"convert_source: {self.folder} is no Git checkout with a working tree ({said[0]})."
            )
        if os.path.realpath(top.stdout.rstrip("\n")) != os.path.realpath(self.folder):
            raise ConvertError(
                f"convert_source: {self.folder} is a folder in the checkout "
                f"{top.stdout.strip()}; expected its top. Name the folder in convert_dir."
            )
        head = self.ask("rev-parse", "--quiet", "--verify", "HEAD^{commit}")
        if head.returncode != 0:
            raise ConvertError(f"convert_source: {self.folder} has no commit yet.")
        changed = [item[3:] for item in self.run("status", "--porcelain", "-z").split("\0") if item]
        if changed:
            shown = ", ".join(changed[:6]) + (
                f" and {len(changed) - 6} more" if len(changed) > 6 else ""
            )
            raise ConvertError(
                f"convert_source: {self.folder} has changes that are in no commit: {shown}. "
                "Expected a clean checkout, since the conversion starts from its commit. Commit "
                "them, put them aside (`git stash -u`), or have them ignored."
            )
        return head.stdout.strip()

    def require_name(self, branch: str) -> None:
        """Nothing keeps the branch from being made.

        Raises:
            ConvertError: the name is none, or a branch stands in its way.
        """
        if (
            branch.startswith("-")
            or self.ask("check-ref-format", f"refs/heads/{branch}").returncode
        ):
            raise ConvertError(f"convert_branch: {branch!r} is no name of a branch.")
        parts = branch.split("/")
        above = ["/".join(parts[:count]) for count in range(1, len(parts))]
        below = self.run("for-each-ref", "--format=%(refname:short)", f"refs/heads/{branch}/")
        found = [name for name in above if self.commit_of(name)] + below.split()
        if found:
            raise ConvertError(
                f"convert_branch: {branch!r} cannot be made beside the branch {found[0]!r}; "
                "choose another name."
            )

    def commit_of(self, branch: str) -> str:
        """The commit of a branch; empty when there is no such branch."""
        done = self.ask("rev-parse", "--quiet", "--verify", f"refs/heads/{branch}^{{commit}}")
        return done.stdout.strip() if done.returncode == 0 else ""

    def converted(self, base: str, branch: str) -> tuple[set[str], set[str]]:
        """From which commits, and by what, the commits of a branch say that they were made."""
        found: list[set[str]] = []
        for key in (BASE_TRAILER, TOOL_TRAILER):
            wanted = f"--format=%(trailers:key={key},valueonly,separator=%x00)"
            text = self.run("log", wanted, f"{base}..refs/heads/{branch}")
            found.append(
                {value for line in text.splitlines() for value in line.split("\0") if value}
            )
        return found[0], found[1]

    def identity(self, name: str, email: str) -> tuple[str, str]:
        """Who commits: as it is said, otherwise as Git is set up here.

        Raises:
            ConvertError: neither says it.
        """
        given = Repository(self.folder, (name, email))
        done = given.ask("-c", "user.useConfigOnly=true", "var", "GIT_COMMITTER_IDENT")
        if done.returncode != 0:
            raise ConvertError(
                "Git does not know who commits here; set convert_author_name and "
                "convert_author_email, or Git's user.name and user.email."
            )
        who, _bracket, rest = done.stdout.rpartition(" <")
        return name or who, email or rest.partition(">")[0]

    def take(self, clone: str, branch: str) -> None:
        """Make a branch of a clone's HEAD: the one thing that is written.

        Raises:
            ConvertError: Git failed, or somebody made that branch meanwhile.
        """
        quiet = ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-gc", "--refmap="]
        spec = f"HEAD:refs/heads/{branch}"
        if self.commit_of(branch):
            raise ConvertError(f"convert_branch: the branch {branch!r} was made meanwhile.")
        self.run("fetch", *quiet, "--no-recurse-submodules", "--update-shallow", clone, spec)

    # --- the clone

    def clone_to(self, folder: str, commit: str, identity: tuple[str, str]) -> Repository:
        """A clone with a commit checked out, which borrows this repository's objects."""
        quiet = ["--quiet", "--shared", "--no-checkout", "--no-tags", "--template="]
        self.run("clone", *quiet, "--", self.folder, folder)
        clone = Repository(folder, identity)
        clone.run("checkout", "--quiet", "--detach", commit)
        return clone

    def commit_paths(self, paths: list[str], message: str) -> str:
        """Commit paths as they are in the working tree, ignored or not; returns the commit."""
        self.run(
            *("add", "--force", "--all", "--pathspec-from-file=-", "--pathspec-file-nul"),
            stdin="\0".join(paths),
        )
        self.run("commit", "--quiet", "--no-verify", "--file=-", stdin=message)
        return self.run("rev-parse", "HEAD").strip()
