"""Lets the tests import plugins by the names that Ansible knows them by."""

from __future__ import annotations

import sys
from pathlib import Path

from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder

ROOT = Path(__file__).resolve().parent.parent

if "ansible_collections" in sys.modules:
    raise RuntimeError("ansible_collections was imported before tests/conftest.py")
# The installed collections of the `ansible` package stand after the checkout's own.
_AnsibleCollectionFinder(paths=[str(ROOT / "collections"), *sys.path])._install()
