"""The patch to commit and the diff to look at."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.compose_patch import (
    MASK,
    masked,
    unified,
)

CHANGES = {
    "plain": ("a\nb\nc\n", "a\nc\nd\n"),
    "no_newline_before": ("a\nb", "a\nc\n"),
    "no_newline_after": ("a\nb\n", "a\nc"),
    "no_newline_at_all": ("a\nb\nc", "a\nc\nc"),
    "windows": ("a\r\nb\r\nc\r\n", "a\r\nc\r\n"),
    "all_gone": ("a\nb\n", "services: {}\n"),
    "odd_separators": ("a\u2028b\nc\x0cd\n", "a\u2028b\ne\n"),
}


@pytest.mark.parametrize("tool", ["git", "patch"])
@pytest.mark.parametrize("name", CHANGES)
def test_it_applies_to_the_byte(name: str, tool: str, tmp_path: Path) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not there")
    before, after = CHANGES[name]
    file = tmp_path / "deploy" / "docker-compose.yml"
    file.parent.mkdir()
    file.write_bytes(before.encode())
    patch = tmp_path / "x.patch"
    patch.write_bytes(unified([("deploy/docker-compose.yml", before, after)]).encode())
    argv = {
        "git": ["git", "apply", "--whitespace=nowarn", str(patch)],
        "patch": ["patch", "-p1", "--binary", "-i", str(patch)],
    }[tool]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert file.read_bytes() == after.encode()


def test_several_files_in_one_patch() -> None:
    text = unified([("a.yml", "a\n", "b\n"), ("b.yml", "a\n", "a\n"), ("c.yml", "a\n", "c\n")])
    assert [line for line in text.splitlines() if line.startswith("---")] == [
        "--- a/a.yml",
        "--- a/c.yml",
    ]


SECRETS = """\
x-env: &env
  PASSWORD: hush1
  NAME: ${NAME}
  OTHER: ${OTHER:?say it}
  DEFAULT: ${PW:-hush2}
services:
  web:
    image: app # stays
    environment:
      <<: *env
      KEY: "hush3"
      LONG: |
        hush4
        hush5
      EMPTY:
      DJANGO_SETTINGS_MODULE: proj.settings
  q:
    environment:
      - PW=hush6
      - "QUOTED=hush7"
      - PASSED
      - Q_CLUSTER_NAME=gis
      - REF=$REF
    command: run redis://user:hush8@redis/0
x-more: {environment: {A: hush9}}
"""


def test_values_of_variables_are_hidden_and_references_are_not() -> None:
    text = masked("f", SECRETS)
    assert "hush" not in text
    for shown in (
        "${NAME}",
        "${OTHER:?say it}",
        "proj.settings",
        "Q_CLUSTER_NAME=gis",
        "REF=$REF",
        "image: app # stays",
        "EMPTY:",
        "- PASSED",
        f"redis://user:{MASK}@redis/0",
    ):
        assert shown in text


def test_what_is_no_yaml_is_hidden_as_a_whole() -> None:
    assert masked("f", "PASSWORD: [hush\n") == f"{MASK}\n"
