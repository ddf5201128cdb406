"""What this machine is and how it reaches the outside: read from its own configuration."""

from __future__ import annotations

import configparser
import functools
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from testbed.console import TestbedError, run

ROOT = Path(__file__).resolve().parent.parent
_CA_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "timeout", "proxy")


@dataclass(frozen=True)
class AptSource:
    """A Debian archive that this machine uses.

    Attributes:
        uri: Address of the archive.
        suites: Its suites in use, such as ``bookworm`` and ``bookworm-updates``.
        signed_by: The key (file) that it is checked with; empty for apt's trusted ones.
    """

    uri: str
    suites: tuple[str, ...]
    signed_by: str


@functools.cache
def os_release() -> dict[str, str]:
    """/etc/os-release as a dict, empty where there is none."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return {}
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {name: value.strip().strip("\"'") for name, value in pairs}


def is_root() -> bool:
    """True where this process may install packages and start daemons."""
    return os.geteuid() == 0


def has_apt() -> bool:
    """True on Debian, Ubuntu and what descends from them."""
    return shutil.which("apt-get") is not None


def apt_sources(directory: Path = Path("/etc/apt")) -> list[AptSource]:
    """The archives in apt's configuration, in both of its formats.

    Args:
        directory: apt's configuration folder.

    Returns:
        One entry per archive with binary packages, in the order of the files.
    """
    texts: list[tuple[str, str]] = []
    parts = sorted((directory / "sources.list.d").glob("*"))
    for path in [directory / "sources.list", *parts]:
        if path.suffix in {".list", ".sources"} and path.is_file():
            texts.append((path.suffix, path.read_text(encoding="utf-8", errors="replace")))
    sources: list[AptSource] = []
    for suffix, text in texts:
        sources += _deb822(text) if suffix == ".sources" else _one_line(text)
    return sources


def _deb822(text: str) -> list[AptSource]:
    sources = []
    for stanza in re.split(r"\n\s*\n", text):
        lines = [line for line in stanza.splitlines() if not line.lstrip().startswith("#")]
        fields = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines if ":" in line)
        }
        usable = fields.get("enabled", "yes") != "no" and "deb" in fields.get("types", "").split()
        if usable and fields.get("uris"):
            suites = tuple(fields.get("suites", "").split())
            for uri in fields["uris"].split():
                sources.append(AptSource(uri, suites, fields.get("signed-by", "")))
    return sources


def _one_line(text: str) -> list[AptSource]:
    sources = []
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)", line)
        if match:
            signed = re.search(r"signed-by=(\S+)", match[1] or "")
            sources.append(AptSource(match[2], (match[3],), signed[1] if signed else ""))
    return sources


def debian_archive() -> AptSource | None:
    """The archive that Debian's own release comes from, None where this is no Debian."""
    release = os_release()
    if release.get("ID") != "debian":
        return None
    codename = release.get("VERSION_CODENAME", "")
    return next((source for source in apt_sources() if codename in source.suites), None)


def apt_install(*packages: str, options: tuple[str, ...] = ()) -> list[str]:
    """The command that installs packages without asking; needs root and apt."""
    return [
        "apt-get",
        "-o",
        "DPkg::Lock::Timeout=300",
        "install",
        "--yes",
        "--no-install-recommends",
        *options,
        *packages,
    ]


def ca_bundle() -> Path | None:
    """The certificates that this machine trusts, as one file."""
    named = [os.environ.get(name, "") for name in ("SSL_CERT_FILE", "PIP_CERT")]
    paths = (Path(name) for name in (*named, *_CA_FILES) if name)
    return next((path for path in paths if path.is_file()), None)


def pip_settings() -> dict[str, str]:
    """What pip is told on this machine about the index, as a container can use it.

    Files of this machine (an index on its disk, a folder of wheels) mean nothing inside a
    container and are left out.

    Returns:
        Option name to value, such as ``{"index-url": "https://…"}``.
    """
    settings: dict[str, str] = {}
    done = run(["python3", "-m", "pip", "config", "list"], check=False)
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        name, _, value = line.partition("=")
        option = name.rpartition(".")[2]
        if option in _PIP_SETTINGS:
            settings[option] = value.strip().strip("'\"").replace("\\n", " ")
    kept = {
        option: " ".join(word for word in value.split() if not word.startswith(("file:", "/")))
        for option, value in settings.items()
    }
    return {option: value for option, value in kept.items() if value}


def pip_conf(settings: dict[str, str], cert: str) -> str:
    """Text of a pip.conf.

    Args:
        settings: Option name to value.
        cert: Path of the CA bundle where the file will be used; empty for pip's own.
    """
    parser = configparser.RawConfigParser()
    parser["global"] = {**settings, **({"cert": cert} if cert else {})}
    lines = ["[global]", *(f"{name} = {value}" for name, value in parser["global"].items())]
    return "\n".join(lines) + "\n"


def dns_servers(path: Path = Path("/etc/resolv.conf")) -> list[str]:
    """Name servers of this machine that a container can reach (loopback ones it cannot)."""
    candidates = [path, Path("/run/systemd/resolve/resolv.conf")]
    for candidate in candidates:
        if candidate.is_file():
            found = re.findall(r"^nameserver\s+(\S+)", candidate.read_text(), re.MULTILINE)
            usable = [server for server in found if not server.startswith(("127.", "::1"))]
            if usable:
                return usable
    return []


def require_root_and_apt(what: str, install: str) -> None:
    """Stop with one clear sentence where the testbed cannot install something itself.

    Args:
        what: What is missing.
        install: What a person should do about it.

    Raises:
        TestbedError: This is not root, or not Debian or Ubuntu.
    """
    if not (is_root() and has_apt()):
        raise TestbedError(f"{what}, and only root on Debian or Ubuntu can be helped: {install}")
