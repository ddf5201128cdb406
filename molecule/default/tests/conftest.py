"""Fixtures: testinfra's `host`, and those of all scenarios."""

pytest_plugins = ("testbed.fixtures",)
