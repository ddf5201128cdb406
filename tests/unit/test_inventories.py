"""The sample inventories: what they share, what wins, and which vault password opens what."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = sorted(
    path.name for path in (ROOT / "inventories").iterdir() if (path / "hosts.yml").is_file()
)


def ansible(
    program: str, *arguments: str, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run one of Ansible's programs beside this interpreter, without the user's own set-up."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
    env.update(ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1", **environment)
    command = [str(Path(sys.executable).parent / program), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False)


def host_variables(tree: Path, environment: str) -> dict[str, dict[str, Any]]:
    """The variables of every host of `cutover_hosts`, as a playbook of `tree` would see them."""
    done = ansible(
        "ansible-inventory",
        "-i",
        f"inventories/{environment}",
        # Without it the working directory is taken for the playbooks' and its group_vars are read.
        "--playbook-dir",
        "playbooks",
        "--list",
        cwd=tree,
    )
    assert done.returncode == 0, done.stderr
    # An inventory source that cannot be parsed is only a warning to Ansible.
    assert "[WARNING]" not in done.stderr, done.stderr
    listing = json.loads(done.stdout)
    hosts = listing["cutover_hosts"]["hosts"]
    return {host: listing["_meta"]["hostvars"].get(host, {}) for host in hosts}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the inventories, links kept, that a test may change."""
    shutil.copytree(ROOT / "inventories", tmp_path / "inventories", symlinks=True)
    shutil.copytree(ROOT / "group_vars", tmp_path / "group_vars")
    (tmp_path / "playbooks").mkdir()
    return tmp_path


def set_variable(path: Path, name: str, value: str) -> None:
    """Append a variable to a YAML file."""
    path.write_text(path.read_text(encoding="utf-8") + f"\n{name}: {value}\n", encoding="utf-8")


def own_file(tree: Path, environment: str) -> Path:
    """The file in which an environment says what is its own."""
    return tree / "inventories" / environment / "group_vars" / "all" / f"10_{environment}.yml"


def test_the_four_environments_are_there() -> None:
    assert ENVIRONMENTS == ["demo", "managed_db", "production", "staging"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_shared_values_are_a_relative_link(environment: str) -> None:
    link = ROOT / "inventories" / environment / "group_vars" / "all" / "00_shared.yml"
    assert link.is_symlink()
    assert os.readlink(link) == "../../../../group_vars/all.yml"
    assert link.resolve() == ROOT / "group_vars" / "all.yml"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_every_host_has_shared_values_and_its_environments_own(environment: str) -> None:
    shared = yaml.safe_load((ROOT / "group_vars" / "all.yml").read_text(encoding="utf-8"))
    own = yaml.safe_load(own_file(ROOT, environment).read_text(encoding="utf-8"))
    hosts = host_variables(ROOT, environment)
    assert hosts
    for name, variables in hosts.items():
        for key, value in {**shared, **own}.items():
            assert variables[key] == value, f"{key} of {name}"


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_precedence_shared_then_environment_then_vault_then_host(
    tree: Path, environment: str
) -> None:
    shared, own = tree / "group_vars" / "all.yml", own_file(tree, environment)
    vault = own.with_name("90_vault.yml")
    vault.write_text("---\n", encoding="utf-8")
    (host,) = host_variables(tree, environment)
    host_file = tree / "inventories" / environment / "host_vars" / f"{host}.yml"
    host_file.parent.mkdir()
    host_file.write_text("---\n", encoding="utf-8")
    places = [("shared", shared), ("environment", own), ("vault", vault), ("host", host_file)]
    # precedence_N is said by the first N + 1 places: the last of them must win.
    for number in range(len(places)):
        for value, path in places[: number + 1]:
            set_variable(path, f"precedence_{number}", value)
    variables = host_variables(tree, environment)[host]
    found = [variables[f"precedence_{number}"] for number in range(len(places))]
    assert found == ["shared", "environment", "vault", "host"]


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_value_of_one_environment_reaches_no_other(tree: Path, environment: str) -> None:
    set_variable(own_file(tree, environment), "only_here", environment)
    for other in ENVIRONMENTS:
        for variables in host_variables(tree, other).values():
            assert variables.get("only_here") == (environment if other == environment else None)


def test_nothing_overrides_the_inventories_from_beside_the_playbooks() -> None:
    for name in ("group_vars", "host_vars"):
        assert not (ROOT / "playbooks" / name).exists()


def encrypt(tree: Path, environment: str, password_file: Path) -> Path:
    """Make the environment's vault file from the sample, encrypted under the environment's id."""
    target = own_file(tree, environment).with_name("90_vault.yml")
    shutil.copy(tree / "inventories" / "vault.example.yml", target)
    done = ansible(
        "ansible-vault",
        "encrypt",
        "--vault-id",
        f"{environment}@{password_file}",
        "--encrypt-vault-id",
        environment,
        str(target),
        cwd=tree,
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_vault_opens_with_its_own_id_alone(tree: Path, environment: str) -> None:
    password = tree / "password"
    password.write_text("the same word\n", encoding="utf-8")
    vault = encrypt(tree, environment, password)
    assert vault.read_text(encoding="utf-8").startswith(
        f"$ANSIBLE_VAULT;1.2;AES256;{environment}\n"
    )
    sample = yaml.safe_load((tree / "inventories" / "vault.example.yml").read_text("utf-8"))

    def view(label: str) -> subprocess.CompletedProcess[str]:
        return ansible(
            "ansible-vault", "view", "--vault-id", f"{label}@{password}", str(vault), cwd=tree
        )

    assert yaml.safe_load(view(environment).stdout) == sample
    for other in set(ENVIRONMENTS) - {environment}:
        refused = view(other)
        assert refused.returncode != 0
        assert "postgres_backup_password" not in refused.stdout
