"""What docs/converter.md says of the converter is what the converter says of itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/converter.md").read_text(encoding="utf-8")


def test_every_rule_stands_in_the_table() -> None:
    program = Path(sys.executable).parent / "celery2q"
    done = subprocess.run([program, "describe"], capture_output=True, text=True, check=True)
    rules = json.loads(done.stdout)["rules"]
    _before, _line, rest = TEXT.partition("\n## The rules\n")
    part = rest.partition("\n## ")[0]
    table = dict(re.findall(r"^\| `([a-z-]+)` \| [a-z ]+ \| (.+) \|$", part, re.MULTILINE))
    assert {name: text.replace("&#124;", "|") for name, text in table.items()} == rules
