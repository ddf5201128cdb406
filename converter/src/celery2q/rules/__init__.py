"""The rules: one module each, found by being here.

A rule module has a docstring (its first line is the summary), a function
`check(context) -> Iterator[Finding]` and a table `EXAMPLES` of what it must find, what it must
make of it and what it must leave alone. tests/test_rules.py runs every table; nothing else
has to change when a rule is added.
"""
