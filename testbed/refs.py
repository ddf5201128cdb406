"""The sample application's repository, made once for each content of the checkout."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from testbed import venv
from testbed.console import TestbedError, run
from testbed.machine import ROOT

MAKE_REFS = ROOT / "examples/make_refs.sh"
#: What the repository is made from: the application, and what converts it.
SOURCES = ("examples", "converter/src")
CACHE = ROOT / ".cache/refs"
#: Seconds for which a repository of an earlier content is kept: a copy of it may be under way.
KEPT_FOR = 86_400.0


def ensure() -> Path:
    """Make the bare repository be there; returns its path.

    Raises:
        TestbedError: `make_refs.sh` is missing or failed; its own words are in the error.
    """
    if not MAKE_REFS.is_file():
        raise TestbedError(f"{MAKE_REFS.relative_to(ROOT)} is missing: no application to deploy")
    venv.ensure()
    wanted = CACHE / f"{key(ROOT, SOURCES)}.git"
    if wanted.is_dir():
        os.utime(wanted)
        return wanted
    CACHE.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="new-", dir=CACHE))
    try:
        run(["sh", str(MAKE_REFS), str(scratch / "air_risk.git")], timeout=300)
        (scratch / "air_risk.git").rename(wanted)
    except OSError:
        if not wanted.is_dir():  # another run was faster: the same content, the same commits
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    _forget_others(wanted)
    return wanted


def key(root: Path, sources: Iterable[str]) -> str:
    """Name of a content: the path, mode and bytes of every file, and the converter's packages."""
    digest = hashlib.sha256()
    for path in sorted(path for source in sources for path in (root / source).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            name = f"{path.relative_to(root)} {path.stat().st_mode & 0o111}"
            digest.update(f"{name} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    if venv.KEY.is_file():
        digest.update(venv.KEY.read_bytes())
    return digest.hexdigest()[:16]


def _forget_others(kept: Path) -> None:
    for path in CACHE.iterdir():
        if path != kept and path.stat().st_mtime < time.time() - KEPT_FOR:
            shutil.rmtree(path, ignore_errors=True)
