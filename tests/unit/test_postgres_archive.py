"""Bytes of a dump on their way to the disk, with real processes and files."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_archive as archive
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_client as client
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError


@pytest.fixture
def somewhere() -> client.ContainerClient:
    """A client that is asked for nothing but its name."""
    return client.ContainerClient(client.Options(container="db"))


def shell(script: str, preamble: bytes = b"") -> client.Invocation:
    """A stage of a pipeline."""
    return client.Invocation(["sh", "-c", script], dict(os.environ), preamble)


def receive(where: client.Client, path: Path, *stages: client.Invocation) -> tuple[int, str]:
    """Run a pipeline into a file."""
    pipeline = archive.Pipeline(where, list(stages), "pg_dump")
    try:
        return archive.receive(pipeline, str(path))
    finally:
        pipeline.stop()


def test_a_whole_pipeline_becomes_a_file(tmp_path: Path, somewhere: client.ContainerClient) -> None:
    path = tmp_path / "a.dump"
    size, sha256 = receive(somewhere, path, shell("read x; echo $x; echo b", b"a\n"), shell("cat"))
    assert path.read_bytes() == b"a\nb\n"
    assert (size, sha256) == (4, hashlib.sha256(b"a\nb\n").hexdigest())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["a.dump"]


@pytest.mark.parametrize(
    "stages",
    [
        [shell("echo a; echo broken >&2; exit 1"), shell("cat")],
        [shell("echo a"), shell("cat; echo broken >&2; exit 3")],
        [shell("echo broken >&2; kill -9 $$")],
    ],
)
def test_a_process_that_fails_leaves_nothing(
    tmp_path: Path, somewhere: client.ContainerClient, stages: list[client.Invocation]
) -> None:
    with pytest.raises(PostgresError, match="broken"):
        receive(somewhere, tmp_path / "a.dump", *stages)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_is_said_and_leaves_nothing(
    tmp_path: Path, somewhere: client.ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive, "_write_all", full)
    with pytest.raises(PostgresError, match="became full") as caught:
        receive(somewhere, tmp_path / "a.dump", shell("yes"), shell("cat"))
    assert caught.value.code == "disk_full"
    assert os.listdir(tmp_path) == []


def test_a_dump_never_replaces_a_file(tmp_path: Path, somewhere: client.ContainerClient) -> None:
    (tmp_path / "a.dump").write_text("old")
    with pytest.raises(PostgresError) as caught:
        receive(somewhere, tmp_path / "a.dump", shell("echo new"))
    assert caught.value.code == "not_writable"
    assert (tmp_path / "a.dump").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.dump"]


def test_partial_dumps_of_the_dead_are_removed_and_those_of_the_living_stay(
    tmp_path: Path,
) -> None:
    dead = Path(archive.partial_path(str(tmp_path / "dead.dump")))
    living = Path(archive.partial_path(str(tmp_path / "living.dump")))
    dead.write_bytes(b"x")
    with living.open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        assert archive.remove_abandoned(str(tmp_path)) == [str(dead)]
    assert living.exists()


def test_an_internal_compression_is_named_by_its_file() -> None:
    assert archive.Compression("pg_dump", 1).suffix == ".dump"
    assert archive.Compression("host", 3).suffix == ".dump.zst"
    assert archive.Compression("container", 3).suffix == ".dump.zst"


def test_the_stages_of_a_dump(somewhere: client.ContainerClient) -> None:
    inside = archive.dump_pipeline(somewhere, archive.Compression("pg_dump", 1), ["--x"], "me")
    assert [stage.argv[-5:] for stage in inside] == [["pg_dump", "-Fc", "-Z1", "-w", "--x"]]
    packed = archive.dump_pipeline(somewhere, archive.Compression("container", 3), ["--x"], "me")
    assert len(packed) == 1
    assert packed[0].argv[-4:] == ["-Fc", "-Z0", "-w", "--x"]
    assert any("zstd -q -3 -T0" in word for word in packed[0].argv)
