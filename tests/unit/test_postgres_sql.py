"""Names and values as they stand in SQL."""

from __future__ import annotations

import pytest
from ansible_collections.cutover.django_q.plugins.module_utils import postgres_sql as sql


@pytest.mark.parametrize(
    ("name", "quoted"), [("a", '"a"'), ("Air Risk", '"Air Risk"'), ('a"b', '"a""b"')]
)
def test_identifiers_are_quoted(name: str, quoted: str) -> None:
    assert sql.identifier(name) == quoted


@pytest.mark.parametrize("name", ["", "a\x00b"])
def test_what_is_no_identifier_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        sql.identifier(name)


def test_strings_are_quoted() -> None:
    assert sql.literal("it's \\") == "'it''s \\'"


def test_a_database_name_is_never_read_as_a_connection_string() -> None:
    assert sql.conninfo_dbname("host=evil") == "dbname='host=evil'"
    assert sql.conninfo_dbname("a'b\\") == "dbname='a\\'b\\\\'"


def test_a_derived_name_is_kept_whole_by_postgresql() -> None:
    assert sql.derived_name("air_risk", "replaced_1") == "air_risk_replaced_1"
    long = sql.derived_name("ü" * 60, "replaced_20260102t030405z")
    assert len(long.encode()) <= sql.MAX_IDENTIFIER
    assert long.endswith("_replaced_20260102t030405z")


@pytest.mark.parametrize(
    ("provider", "locale", "words"),
    [
        ("c", None, ""),
        ("i", "de-AT", " LOCALE_PROVIDER icu ICU_LOCALE 'de-AT'"),
        ("b", "C.UTF-8", " LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'"),
    ],
)
def test_a_database_is_made_alike(provider: str, locale: str | None, words: str) -> None:
    shape = {
        "encoding": "UTF8",
        "collate": "C",
        "ctype": "en_US.utf8",
        "provider": provider,
        "locale": locale,
    }
    assert sql.create_database("x", shape) == (
        "CREATE DATABASE \"x\" TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' "
        f"LC_CTYPE 'en_US.utf8'{words};"
    )


def test_sessions_are_ended_by_number_alone() -> None:
    assert "IN (5, 7)" in sql.terminate_sessions([5, 7])
    assert "IN (0)" in sql.terminate_sessions([])
