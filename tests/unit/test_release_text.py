"""The text of a release on its way to the linter: taken from Git or a tar, laid out, bounded."""

from __future__ import annotations

import base64
import io
import os
import stat
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.release_git import Git, GitError
from ansible_collections.cutover.django_q.plugins.module_utils.release_text import (
    HEADER,
    Reads,
    TextError,
    Texts,
    blobs,
    lay,
    leads_out,
    of_commit,
    of_tar,
)

READS = Reads.of(
    {
        "suffixes": [".py", ".txt", ".yml"],
        "names": "(?i)^(dockerfile.*)$",
        "skipped_folders": [".git", "venv", "node_modules"],
        "skipped_suffix": ".egg-info",
        "largest": 1000,
    }
)
LIMIT = 100_000


def git(folder: Path, *arguments: str) -> str:
    """Run Git in a test's repository."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A repository with one commit of everything that a release may hold."""
    root = tmp_path / "release"
    for path, content in {
        "app/tasks.py": b"# \xe9\n",
        "app/größe.py": b"x = 1\n",
        "app/logo.png": b"\x89PNG",
        "Dockerfile.web": b"FROM a\n",
        "requirements.txt": b"celery\n",
        "venv/lib/site.py": b"no\n",
        "front/node_modules/a/b.py": b"no\n",
        "app.egg-info/requires.txt": b"no\n",
        "app/huge.py": b"#" * 1001,
        "app/huge.txt": b"#" * 1001,
        ".gitattributes": b"app/tasks.py export-ignore\n",
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    os.symlink("/etc/passwd", root / "app/passwords.txt")
    os.symlink("../../outside.py", root / "app/outside.py")
    os.symlink("tasks.py", root / "app/inside.py")
    os.symlink("/etc", root / "etc")
    git(root, "init", "-q", "-b", "main")
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    return root


TAKEN = {"app/tasks.py", "app/größe.py", "Dockerfile.web", "requirements.txt"}
SKIPPED = {
    "app/huge.py": "larger than 1000 bytes",
    "app/passwords.txt": "symbolic link out of the tree",
    "app/outside.py": "symbolic link out of the tree",
}


def named(texts: Texts) -> dict[str, str]:
    """What was skipped, by path."""
    return {item["path"]: item["reason"] for item in texts.skipped}


def test_a_commit(release: Path) -> None:
    sha = git(release, "rev-parse", "HEAD")
    (release / "app/tasks.py").write_text("of the checkout, not of the commit\n")
    texts = of_commit(Git(str(release)), sha, "", READS, LIMIT)
    assert set(texts.files) == TAKEN
    assert texts.files["app/tasks.py"] == b"# \xe9\n"
    assert named(texts) == SKIPPED


def test_a_folder_of_a_commit(release: Path) -> None:
    sha = git(release, "rev-parse", "HEAD")
    texts = of_commit(Git(str(release)), sha, "app", READS, LIMIT)
    assert set(texts.files) == {"tasks.py", "größe.py"}
    # A link out of the folder but not out of the release is one out of what is linted.
    assert set(named(texts)) == {"huge.py", "passwords.txt", "outside.py"}
    with pytest.raises(TextError, match=r"preflight_lint_dir: 'ap' is no folder of the commit"):
        of_commit(Git(str(release)), sha, "ap", READS, LIMIT)


def test_a_submodule_is_named(release: Path) -> None:
    git(release, "-c", "protocol.file.allow=always", "submodule", "-q", "add", str(release), "sub")
    git(release, "commit", "-qm", "sub")
    texts = of_commit(Git(str(release)), git(release, "rev-parse", "HEAD"), "", READS, LIMIT)
    assert named(texts)["sub"] == "a submodule, whose files are not here"


def test_an_object_that_is_gone(release: Path) -> None:
    with pytest.raises(GitError, match=r"The object 0{40} of a\.py is not in the repository"):
        blobs(Git(str(release)), [("a.py", "0" * 40, 1)])


def packed_tar(root: Path, mode: str = "w", top: str = "") -> bytes:
    """A tar of a folder."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode=mode) as tar:
        tar.add(root, arcname=top or ".")
    return plain.getvalue()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize(("top", "strip"), [("", 0), ("release-1.0", 1)])
def test_a_tar(release: Path, mode: str, top: str, strip: int) -> None:
    stream = io.BytesIO(packed_tar(release, mode, top))
    texts = of_tar(stream, strip, "", READS, Texts(LIMIT, "the archive"))
    assert set(texts.files) == TAKEN
    assert named(texts) == SKIPPED


def test_a_folder_of_a_tar(release: Path) -> None:
    texts = of_tar(io.BytesIO(packed_tar(release)), 0, "app", READS, Texts(LIMIT, "the archive"))
    assert set(texts.files) == {"tasks.py", "größe.py"}
    with pytest.raises(TextError, match=r"preflight_lint_dir: 'ap' is no folder of the archive"):
        of_tar(io.BytesIO(packed_tar(release)), 0, "ap", READS, Texts(LIMIT, "the archive"))


def test_a_hard_link_of_a_tar_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    os.link(tmp_path / "a.py", tmp_path / "b.py")
    texts = of_tar(io.BytesIO(packed_tar(tmp_path)), 0, "", READS, Texts(LIMIT, "the archive"))
    assert len(texts.files) == 1
    assert "a hard link to" in texts.skipped[0]["reason"]


@pytest.mark.parametrize("cut", [10, 700])
def test_a_tar_that_is_none_or_cut_short(release: Path, cut: int) -> None:
    for data in (packed_tar(release)[:cut], packed_tar(release, "w:gz")[:cut], b"no tar at all"):
        with pytest.raises(TextError, match="the archive is"):
            of_tar(io.BytesIO(data), 0, "", READS, Texts(LIMIT, "the archive"))


@pytest.mark.parametrize(
    ("path", "target", "top", "expected"),
    [
        ("a.py", "b.py", "", False),
        ("app/a.py", "../b.py", "", False),
        ("app/a.py", "../../b.py", "", True),
        ("a.py", "../a.py", "", True),
        ("a.py", "..data/a.py", "", False),
        ("a.py", "/app/b.py", "", True),
        ("a.py", "/app/b.py", "/app", False),
        ("a.py", "/application/b.py", "/app", True),
    ],
)
def test_links_that_lead_out(path: str, target: str, top: str, expected: bool) -> None:
    assert leads_out(path, target, top) is expected


def test_too_much_is_refused_before_it_is_read(release: Path) -> None:
    sha = git(release, "rev-parse", "HEAD")
    with pytest.raises(TextError, match=r"has more than 2000 bytes.*preflight_lint_max_bytes"):
        of_commit(Git(str(release)), sha, "", READS, 2000)
    stream = io.BytesIO(packed_tar(release))
    with pytest.raises(TextError, match=r"has more than 2000 bytes"):
        of_tar(stream, 0, "", READS, Texts(2000, "the archive"))


def test_what_was_packed_is_laid_out_for_its_owner_alone(release: Path, tmp_path: Path) -> None:
    texts = of_commit(Git(str(release)), git(release, "rev-parse", "HEAD"), "", READS, LIMIT)
    folder = tmp_path / "laid"
    folder.mkdir()
    assert lay(texts.packed(), str(folder), LIMIT) == len(TAKEN)
    laid = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in laid.items()} == texts.files
    assert {stat.S_IMODE(path.stat().st_mode) for path in laid.values()} == {0o600}


def test_as_much_as_is_allowed_can_be_laid_out(tmp_path: Path) -> None:
    # The worst that the limit lets through: empty files with names that take headers of their own.
    texts = Texts(100 * HEADER, "x")
    for number in range(100):
        texts.reserve("x", 0)
        texts.files[f"{number:03}-" + "ü" * 110 + ".py"] = b""
    assert lay(texts.packed(), str(tmp_path), texts.limit) == 100


def member(name: str, **changed: object) -> bytes:
    """A tar with one member."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        info = tarfile.TarInfo(name)
        for key, value in changed.items():
            setattr(info, key, value)
        tar.addfile(info)
        if name == "twice.py":
            tar.addfile(info)
    return plain.getvalue()


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        (member("../a.py"), "which is no file of a release"),
        (member("/a.py"), "which is no file of a release"),
        (member("a/./b.py"), "which is no file of a release"),
        (member("a.py", type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is no file"),
        (member("a.py", type=tarfile.LNKTYPE, linkname="/etc/passwd"), "is no file"),
        (member("a.py", type=tarfile.FIFOTYPE), "is no file"),
        (member("twice.py"), "'twice.py' twice"),
        (b"x" * 1000, "is no tar"),
        (b"\0" * 1_000_000, "cut short, or has more than"),
    ],
)
def test_what_a_host_must_not_send(tmp_path: Path, plain: bytes, words: str) -> None:
    sent = base64.b64encode(zlib.compress(plain)).decode()
    folder = tmp_path / "laid"
    folder.mkdir()
    with pytest.raises(TextError, match=words):
        lay(sent, str(folder), 10_000)
    assert not (tmp_path / "a.py").exists()


@pytest.mark.parametrize("sent", ["no Base64!", base64.b64encode(b"no zlib").decode()])
def test_what_is_no_packed_text(tmp_path: Path, sent: str) -> None:
    with pytest.raises(TextError, match="no packed text"):
        lay(sent, str(tmp_path), 10_000)
