"""When the sample application's repository has to be made anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed.refs import key


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with one file of the application and one that is not."""
    (tmp_path / "examples/air_risk").mkdir(parents=True)
    (tmp_path / "examples/air_risk/a.py").write_text("1\n")
    (tmp_path / "other.py").write_text("1\n")
    return tmp_path


def test_the_same_content_has_the_same_key(root: Path) -> None:
    """Neither what Python leaves behind nor a file elsewhere makes a difference."""
    before = key(root, ["examples"])
    (root / "examples/air_risk/__pycache__").mkdir()
    (root / "examples/air_risk/__pycache__/a.pyc").write_bytes(b"1")
    (root / "other.py").write_text("2\n")
    assert key(root, ["examples"]) == before


def test_bytes_names_and_modes_make_a_difference(root: Path) -> None:
    """Each change of them is a commit that differs."""
    file = root / "examples/air_risk/a.py"
    keys = [key(root, ["examples"])]
    file.write_text("2\n")
    keys.append(key(root, ["examples"]))
    file.chmod(0o755)
    keys.append(key(root, ["examples"]))
    file.rename(file.with_name("b.py"))
    keys.append(key(root, ["examples"]))
    assert len(set(keys)) == len(keys)
