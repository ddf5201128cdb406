"""Measurements on hosts of the testbed. Never part of the tests: see README.md."""
