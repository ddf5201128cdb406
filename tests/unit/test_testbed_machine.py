"""What the testbed reads of the machine's own configuration."""

from __future__ import annotations

from pathlib import Path

import pytest
from testbed import machine
from testbed.machine import AptSource

DEB822 = """\
# Debian
Types: deb deb-src
URIs: http://archive.example.org/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian.gpg

Enabled: no
Types: deb
URIs: http://off.example.org/debian
Suites: bookworm

Types: deb-src
URIs: http://sources.example.org/debian
Suites: bookworm
"""
ONE_LINE = """\
# deb http://commented.example.org/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/keyrings/a.gpg] https://a.example.org/debian bookworm main
deb http://b.example.org/debian bookworm-security main contrib
deb-src http://c.example.org/debian bookworm main
"""


@pytest.fixture
def apt(tmp_path: Path) -> Path:
    """A folder like /etc/apt."""
    (tmp_path / "sources.list.d").mkdir()
    return tmp_path


def test_apt_sources_in_deb822(apt: Path) -> None:
    (apt / "sources.list.d/debian.sources").write_text(DEB822)
    assert machine.apt_sources(apt) == [
        AptSource(
            "http://archive.example.org/debian",
            ("bookworm", "bookworm-updates"),
            "/usr/share/keyrings/debian.gpg",
        )
    ]


def test_apt_sources_in_lines(apt: Path) -> None:
    (apt / "sources.list").write_text(ONE_LINE)
    assert machine.apt_sources(apt) == [
        AptSource("https://a.example.org/debian", ("bookworm",), "/etc/apt/keyrings/a.gpg"),
        AptSource("http://b.example.org/debian", ("bookworm-security",), ""),
    ]


def test_files_that_apt_does_not_read_are_not_read(apt: Path) -> None:
    (apt / "sources.list.d/debian.sources.disabled").write_text(DEB822)
    assert machine.apt_sources(apt) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "nameserver 192.0.2.1\nsearch example.org\nnameserver 192.0.2.2\n",
            ["192.0.2.1", "192.0.2.2"],
        ),
        ("# nameserver 192.0.2.9\nnameserver 192.0.2.1\n", ["192.0.2.1"]),
    ],
)
def test_dns_servers(text: str, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text(text)
    assert machine.dns_servers(path) == expected


def test_dns_servers_on_loopback_are_of_no_use_to_a_container(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.53\n")
    assert "127.0.0.53" not in machine.dns_servers(path)


def test_pip_conf_names_the_bundle_where_it_will_be() -> None:
    text = machine.pip_conf({"index-url": "https://pip.example.org/simple"}, "/etc/ssl/ca.crt")
    assert text == (
        "[global]\nindex-url = https://pip.example.org/simple\ncert = /etc/ssl/ca.crt\n"
    )


def test_pip_conf_without_a_bundle() -> None:
    assert machine.pip_conf({"timeout": "60"}, "") == "[global]\ntimeout = 60\n"
