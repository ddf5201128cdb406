"""After migrate.yml: what the run left on the host, and who may read it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from testbed.air_risk import AirRisk
from testbed.deploy import PROJECT, STATE

SECRETS = ("SECRET_KEY", "POSTGRES_PASSWORD")


@pytest.fixture
def secrets(host: Any) -> list[str]:
    """The values that must appear in no file and no output."""
    pairs = (line.partition("=") for line in host.file(f"{PROJECT}/.env").content_string.split())
    values = [value for name, _, value in pairs if name in SECRETS]
    assert len(values) == len(SECRETS)
    assert min(map(len, values)) > 20
    return values


def test_manifest_says_how_each_phase_ended(app: AirRisk) -> None:
    manifest = app.manifest()
    assert manifest["format"] == 1
    assert manifest["state"] == "migrated"
    assert {phase["outcome"] for phase in manifest["phases"]} == {"ok"}
    assert all(phase["end"] for phase in manifest["phases"])


def test_manifest_keeps_what_the_way_back_needs(app: AirRisk, before: dict[str, Any]) -> None:
    manifest = app.manifest()
    assert manifest["preflight"]["git"]["sha"] == before["git"]["head"]
    (file,) = manifest["compose_services"]["files"]
    assert file["sha256_before"] == before["compose_sha256"]
    assert before["containers"]["web"]["image_id"] in {
        image["before"]["id"] for image in manifest["release"]["images"]
    }


def test_images_and_dump_are_whole(host: Any, app: AirRisk) -> None:
    manifest = app.manifest()
    for kept in (manifest["release"]["archive"], manifest["postgres_backup"]):
        file = host.file(kept["path"])
        assert file.exists
        assert file.size == kept["size"]
        assert file.sha256sum == kept["sha256"]
    assert manifest["postgres_backup"]["verified"] is True


def test_only_root_may_read_it(host: Any) -> None:
    assert host.file(f"{STATE}/runs").mode & 0o077 == 0
    assert host.file(f"{STATE}/current/.").mode & 0o077 == 0
    # The release's tree keeps its own modes, for the build; its folder is nobody else's to enter.
    open_to_others = host.check_output(
        f"find {STATE}/runs -mindepth 1 ! -path '*/tree' ! -path '*/tree/*' ! -type l -perm /077"
    )
    assert open_to_others == ""
    assert host.file(f"{STATE}/current/manifest.json").mode == 0o600


def test_no_secret_in_the_runs_files(host: Any, runs: str, secrets: list[str]) -> None:
    patterns = " ".join(f"-e {shlex.quote(value)}" for value in secrets)
    found = host.run(
        f"grep --recursive --text --files-with-matches --fixed-strings {patterns} {runs}"
    )
    assert (found.rc, found.stdout) == (1, "")


def test_no_secret_in_what_was_printed(ephemeral: Path, secrets: list[str]) -> None:
    printed = (ephemeral / "ansible.log").read_text(encoding="utf-8", errors="replace")
    assert "PLAY RECAP" in printed
    assert not [value for value in secrets if value in printed]


def test_lock_was_given_back(host: Any) -> None:
    assert not host.file(f"{STATE}/lock").exists


def test_patch_turns_the_releases_file_into_what_is_installed(host: Any, app: AirRisk) -> None:
    manifest = app.manifest()["compose_services"]
    (file,) = manifest["files"]
    scratch = host.check_output("mktemp -d")
    host.check_output(
        f"git -C {PROJECT} show HEAD:docker-compose.yml > {scratch}/docker-compose.yml"
    )
    host.check_output(f"git -C {scratch} apply -p1 {manifest['patch']}")
    assert host.file(f"{scratch}/docker-compose.yml").sha256sum == file["sha256_after"]
    assert host.file(f"{PROJECT}/docker-compose.yml").sha256sum == file["sha256_after"]
    host.check_output(f"rm -r {scratch}")
