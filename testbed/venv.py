"""The virtual environment of the checkout, kept in step with its requirements."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys

from testbed.console import TestbedError, only_one, run, run_shown, say
from testbed.machine import ROOT, apt_install, require_root_and_apt

VENV = ROOT / ".venv"
KEY = VENV / ".requirements.sha256"
CONVERTER = ROOT / "converter"
#: What the sample application's own tests need.
APPLICATION = ROOT / "examples/air_risk/requirements/base.txt"


def ensure() -> None:
    """Make `.venv` hold what requirements.txt asks for; a second run takes no time.

    Raises:
        TestbedError: No virtual environment can be made here, or pip failed.
    """
    wanted = _key()
    if _found() == wanted:
        return
    with only_one("venv"):
        if _found() == wanted:
            return
        if not _same_python():
            _create()
        pip = [str(VENV / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
        command = [*pip, "install", "--requirement", str(ROOT / "requirements.txt")]
        if APPLICATION.is_file():
            command += ["--requirement", str(APPLICATION)]
        if _has_converter():
            command += ["--editable", str(CONVERTER)]
        run_shown("installing Python requirements into .venv", command, cwd=ROOT)
        KEY.write_text(wanted, encoding="utf-8")


def path_with_venv() -> str:
    """PATH with the virtual environment's programs first."""
    return os.pathsep.join([str(VENV / "bin"), os.environ.get("PATH", os.defpath)])


def _has_converter() -> bool:
    return (CONVERTER / "pyproject.toml").is_file()


def _key() -> str:
    digest = hashlib.sha256(sys.version.encode())
    digest.update(str(ROOT).encode())
    for path in (ROOT / "requirements.txt", APPLICATION, CONVERTER / "pyproject.toml"):
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def _found() -> str:
    if not (KEY.is_file() and (VENV / "bin/python").exists()):
        return ""
    return KEY.read_text(encoding="utf-8")


def _same_python() -> bool:
    python = VENV / "bin/python"
    if not python.exists():
        return False
    done = run([str(python), "-c", "import sys, pip; print(sys.version)"], check=False)
    return done.returncode == 0 and done.stdout.strip() == sys.version.strip()


def _create() -> None:
    say(f"creating .venv with Python {sys.version.split()[0]}")
    if VENV.exists():
        shutil.rmtree(VENV)
    if run([sys.executable, "-c", "import ensurepip, venv"], check=False).returncode:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        require_root_and_apt("Python's venv module is not here", f"install {package}")
        run_shown("reading apt's package lists", ["apt-get", "update"])
        run_shown(f"installing {package}", apt_install(package))
    run([sys.executable, "-m", "venv", str(VENV)], timeout=300)
    if not (VENV / "bin/python").exists():
        raise TestbedError(f"{sys.executable} -m venv left no {VENV}/bin/python")
