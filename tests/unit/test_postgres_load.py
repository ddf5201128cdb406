"""Bytes of a dump on their way into a database."""

from __future__ import annotations

import io

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_load import understood

KNOWN = {"statement_timeout", "client_encoding"}
HEAD = b"--\n-- PostgreSQL database dump\n--\n\\restrict x\nSET statement_timeout = 0;\n"
BODY = (
    b"-- Name: a; Type: TABLE\nCREATE TABLE a;\nCOPY a FROM stdin;\nSET transaction_timeout = 0;\n"
)


def test_a_setting_that_the_server_does_not_know_is_left_out() -> None:
    script = HEAD + b"SET transaction_timeout = 0;\nSET client_encoding = 'UTF8';\n" + BODY
    expected = HEAD + b"SET client_encoding = 'UTF8';\n" + BODY
    assert b"".join(understood(io.BytesIO(script), KNOWN)) == expected


@pytest.mark.parametrize("script", [b"", HEAD, HEAD + BODY, HEAD + b"SELECT 1;\n" + BODY])
def test_all_else_is_byte_for_byte_what_it_was(script: bytes) -> None:
    assert b"".join(understood(io.BytesIO(script), KNOWN)) == script
