"""The rules: one module each, found by being here.

A rule module has a docstring (its first line is the summary), a function
`check(context) -> Iterator[Finding]` and a table `EXAMPLES` of what it must find, what it must
make of it and what it must leave alone. One that changes something says KIND, the kind of change
(a commit of its own); one that warns of what a conversion loses says ONCE = True.
tests/test_rules.py runs every table; nothing else has to change when a rule is added.
"""
