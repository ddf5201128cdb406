"""The door into the application: which scripts are sent, and what the program around them does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.cutover.django_q.plugins.action.app_script import (
    SCRIPTS,
    reads_only,
    sources_of,
)
from ansible_collections.cutover.django_q.plugins.modules.app_script import (
    PACKAGE,
    override_for,
    program,
)

NAMES = sorted(path.stem for path in Path(SCRIPTS).glob("*.py") if path.stem != "__init__")
# A Django that only sets itself up: what is tested here is the door, not Django.
DJANGO = "def setup():\n    print('noise of the application')\n"


def run_program(folder: Path, sources: list[list[str]], params: dict, settings: str = "x"):
    """Pipe the program to a Python in `folder`, as it is piped into a container."""
    (folder / "django.py").write_text(DJANGO)
    return subprocess.run(
        [sys.executable, "-"],
        input=program(sources, params, settings, 30),
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        check=False,
    )


def test_every_script_is_sent_after_those_that_it_imports() -> None:
    for name in NAMES:
        sources = sources_of(name)
        sent = [known for known, _text in sources]
        assert sent[-1] == name
        assert len(sent) == len(set(sent))
        for position, (_known, text) in enumerate(sources):
            for other in NAMES:
                if f"app import {other}" in text or f"app.{other} import" in text:
                    assert other in sent[:position]


def test_scripts_that_change_data_say_so() -> None:
    changing = {name for name in NAMES if "READS_ONLY = False" in sources_of(name)[-1][1]}
    assert {"celery_move", "celery_move_back", "schedules_install", "migrate"} <= changing
    assert not any(reads_only(sources_of(name)[-1][1]) for name in changing)


def test_only_the_result_is_on_standard_output(tmp_path: Path) -> None:
    text = "def run(params):\n    print('more noise')\n    return {'got': params}\n"
    done = run_program(tmp_path, [["script", text]], {"quote": "'\"\\ é", "list": [1]})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"got": {"quote": "'\"\\ é", "list": [1]}}
    assert "noise of the application" in done.stderr
    assert "more noise" in done.stderr


def test_a_script_may_import_another_by_its_full_name(tmp_path: Path) -> None:
    helper = "VALUE = 7\n"
    script = f"from {PACKAGE} import helper\n\ndef run(params):\n    return {{'v': helper.VALUE}}\n"
    done = run_program(tmp_path, [["helper", helper], ["script", script]], {})
    assert json.loads(done.stdout) == {"v": 7}


def test_the_settings_module_is_read_from_manage_py(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text(
        "os.environ.setdefault('DJANGO_SETTINGS_MODULE', \"shop.settings.live\")\n"
    )
    script = "import os\ndef run(params):\n    return {'s': os.environ['DJANGO_SETTINGS_MODULE']}\n"
    done = run_program(tmp_path, [["script", script]], {}, settings="")
    assert json.loads(done.stdout) == {"s": "shop.settings.live"}


def test_an_unknown_settings_module_is_one_sentence(tmp_path: Path) -> None:
    done = run_program(tmp_path, [["script", "def run(params):\n    return {}\n"]], {}, settings="")
    assert done.returncode == 1
    assert "Set deployment_settings_module" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_script_that_takes_too_long_ends_by_itself(tmp_path: Path) -> None:
    text = "import signal\ndef run(params):\n    signal.pause()\n"
    (tmp_path / "django.py").write_text(DJANGO)
    done = subprocess.run(
        [sys.executable, "-"],
        input=program([["script", text]], {}, "x", 1),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == -14


@pytest.mark.parametrize(
    ("binds", "volumes"),
    [
        ([{"source": "/srv/app", "target": "/code"}], [("/run/tree", "/code")]),
        ([{"source": "/srv/app/src", "target": "/code"}], [("/run/tree/src", "/code")]),
        ([{"source": "/data", "target": "/data"}], []),
        ([{"source": "/srv/app2", "target": "/x"}], []),
    ],
)
def test_only_mounted_code_is_exchanged(binds: list, volumes: list) -> None:
    service = override_for("web", "image:1", {"A": 1}, binds, "/srv/app", "/run/tree")["services"][
        "web"
    ]
    assert service["image"] == "image:1"
    assert service["environment"] == {"A": "1"}
    assert [(item["source"], item["target"]) for item in service.get("volumes", [])] == volumes
