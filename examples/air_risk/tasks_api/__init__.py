"""The address at which other programs submit tasks."""
