"""Container images of the testbed: pulled where a registry answers, otherwise made from Debian.

They are kept under ``cutover-testbed/`` on this machine, so that nothing of the same name is
overshadowed; a Docker host gets them under their plain names.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from testbed import machine
from testbed.console import only_one, run, run_shown, say

RECIPES = Path(__file__).resolve().parent / "images"
PREFIX = "cutover-testbed/"
KEY_LABEL = "cutover.testbed.key"
PROBE_IMAGE = "hello-world:latest"
PROBE_SECONDS = 15
BASE_PACKAGES = "ca-certificates"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@dataclass(frozen=True)
class Image:
    """One image.

    Attributes:
        name: Its plain name, the one that compose files use.
        base: Name of the image that it is made on; empty for one made by mmdebstrap.
        recipe: Folder of its Dockerfile under ``images/``.
        suite: Debian's suite, where there is no base.
        published: Whether a registry has an image of this name that serves as well.
    """

    name: str
    base: str = ""
    recipe: str = ""
    suite: str = ""
    published: bool = True


_BOOKWORM, _TRIXIE = "debian:bookworm-slim", "debian:trixie-slim"
HOST = "host:trixie"
PYTHON, POSTGRES, REDIS = "python:3.11-slim-bookworm", "postgres:15-bookworm", "redis:7-bookworm"
#: What every host has; the rest is made when somebody asks for it.
STANDARD = (PYTHON, POSTGRES, REDIS)
IMAGES = {
    image.name: image
    for image in (
        Image(_BOOKWORM, suite="bookworm"),
        Image(_TRIXIE, suite="trixie"),
        Image(PYTHON, base=_BOOKWORM, recipe="python"),
        Image(POSTGRES, base=_BOOKWORM, recipe="postgres"),
        Image(REDIS, base=_BOOKWORM, recipe="redis"),
        Image("registry:2", base=_BOOKWORM, recipe="registry"),
        Image("rabbitmq:3", base=_BOOKWORM, recipe="rabbitmq"),
        Image(HOST, base=_TRIXIE, recipe="host", published=False),
    )
}


def local(name: str) -> str:
    """Name under which this machine's Docker Engine keeps an image of the testbed."""
    return PREFIX + name


def ensure(name: str) -> str:
    """Make an image be there.

    Args:
        name: A key of `IMAGES`.

    Returns:
        Its name on this machine.

    Raises:
        TestbedError: It can be neither pulled nor made.
    """
    image, made_key, pulled_key = IMAGES[name], key(name), _digest("pulled", name, _trust_key())
    if _label(local(name)) in {made_key, pulled_key}:
        return local(name)
    with only_one("images"):
        if _label(local(name)) in {made_key, pulled_key}:
            return local(name)
        if image.published and _registry_answers():
            run_shown(f"pulling {name}", ["docker", "pull", name])
            _add_trust(name, name, pulled_key)
        elif image.suite:
            _debootstrap(image, made_key)
    if image.base and _label(local(name)) not in {made_key, pulled_key}:
        base = ensure(image.base)
        with only_one("images"):
            _build(f"making {name}", RECIPES / image.recipe, base, name, made_key)
    return local(name)


@functools.cache
def key(name: str) -> str:
    """Hash of everything that an image is made from."""
    image = IMAGES[name]
    if not image.base:
        return _digest(image.suite, BASE_PACKAGES, *_archive_lines(image.suite), _trust_key())
    return _digest(key(image.base), *folder_contents(RECIPES / image.recipe))


def folder_contents(folder: Path) -> list[str]:
    """Names, modes and hashes of the files under a folder, in a stable order."""
    return [
        f"{path.relative_to(folder)} {path.stat().st_mode & 0o111:o} "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}"
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _label(image: str) -> str:
    template = f'{{{{index .Config.Labels "{KEY_LABEL}"}}}}'
    done = run(["docker", "image", "inspect", "--format", template, image], check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


@functools.cache
def _registry_answers() -> bool:
    """Whether the daemon can pull: asked once, with the smallest image there is."""
    done = run(["timeout", str(PROBE_SECONDS), "docker", "pull", PROBE_IMAGE], check=False)
    answers = done.returncode == 0
    say("an image registry answers" if answers else "no image registry answers: Debian it is")
    return answers


def _trust_files() -> dict[str, str]:
    """Files that let a container reach what this machine reaches: path under /etc to text."""
    bundle = machine.ca_bundle()
    files = {}
    if bundle:
        files["ssl/certs/ca-certificates.crt"] = bundle.read_text(encoding="utf-8")
    settings = machine.pip_settings()
    if settings or bundle:
        cert = "/etc/ssl/certs/ca-certificates.crt" if bundle else ""
        files["pip.conf"] = machine.pip_conf(settings, cert)
    return files


@functools.cache
def _trust_key() -> str:
    return _digest(*(f"{path}\n{text}" for path, text in sorted(_trust_files().items())))


def _add_trust(base: str, name: str, image_key: str) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        context = Path(scratch)
        (context / "etc").mkdir()
        for path, text in _trust_files().items():
            target = context / "etc" / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        dockerfile = "ARG BASE\nFROM ${BASE}\nCOPY etc/ /etc/\n"
        (context / "Dockerfile").write_text(dockerfile, encoding="utf-8")
        _build(f"making {name}: certificates and pip's settings", context, base, name, image_key)


def _build(title: str, context: Path, base: str, name: str, image_key: str) -> None:
    command = ["docker", "build", "--progress=plain", "--network=host", f"--build-arg=BASE={base}"]
    command += [f"--label={KEY_LABEL}={image_key}", f"--tag={local(name)}", str(context)]
    run_shown(title, command)


def _archive_lines(suite: str) -> tuple[str, ...]:
    """Lines of a sources.list for a suite, from the archives that this machine itself uses."""
    codename = machine.os_release().get("VERSION_CODENAME", "")
    lines = []
    if machine.os_release().get("ID") == "debian":
        for source in machine.apt_sources():
            for name in source.suites:
                if name == codename or name in {f"{codename}-updates", f"{codename}-security"}:
                    target = suite + name.removeprefix(codename)
                    lines.append(f"deb [signed-by={KEYRING}] {source.uri} {target} main")
    return tuple(lines)


def _debootstrap(image: Image, image_key: str) -> None:
    if not shutil.which("mmdebstrap") or not Path(KEYRING).is_file():
        machine.require_root_and_apt(
            "no image registry answers and mmdebstrap is not here",
            "install mmdebstrap and debian-archive-keyring",
        )
        packages = ("mmdebstrap", "debian-archive-keyring")
        run_shown("reading apt's package lists", ["apt-get", "update"])
        run_shown(f"installing {' and '.join(packages)}", machine.apt_install(*packages))
    with tempfile.TemporaryDirectory() as scratch:
        tar = Path(scratch) / "root.tar"
        command = ["mmdebstrap", "--variant=minbase", f"--include={BASE_PACKAGES}"]
        for hook in ("path-exclude=/usr/share/man/*", "path-exclude=/usr/share/doc/*"):
            command.append(f"--dpkgopt={hook}")
        command += ["--dpkgopt=force-unsafe-io", image.suite, str(tar)]
        # Without lines of its own mmdebstrap uses Debian's own address.
        command += _archive_lines(image.suite)
        run_shown(f"making {image.name} from Debian's packages", command)
        run(["docker", "import", str(tar), local(f"{image.name}-plain")], timeout=600)
    _add_trust(local(f"{image.name}-plain"), image.name, image_key)


def remove_all() -> None:
    """Remove every image of the testbed from this machine's Docker Engine."""
    listed = run(["docker", "images", "--quiet", f"--filter=reference={PREFIX}*"]).stdout.split()
    if listed:
        run(["docker", "rmi", "--force", *dict.fromkeys(listed)], timeout=120)
