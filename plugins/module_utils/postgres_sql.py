# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""SQL that the postgres modules ask; every query answers with JSON, one document a line."""

from __future__ import annotations

#: Names of databases that this collection makes and may drop again.
SCRATCH_PREFIX = "cutover_scratch_"

#: The longest identifier that PostgreSQL keeps, in bytes.
MAX_IDENTIFIER = 63


def identifier(name: str) -> str:
    """Quote ``name`` as an SQL identifier."""
    if not name or "\x00" in name:
        raise ValueError(f"not an SQL identifier: {name!r}")
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Quote ``value`` as an SQL string (standard_conforming_strings, the default since 9.1)."""
    if "\x00" in value:
        raise ValueError("a NUL byte cannot stand in an SQL string")
    return "'" + value.replace("'", "''") + "'"


def conninfo_dbname(name: str) -> str:
    """A connection string that names a database and nothing else, whatever the name holds.

    ``pg_restore -d NAME`` would read a name with ``=`` in it as a connection string.
    """
    return "dbname='" + name.replace("\\", "\\\\").replace("'", "\\'") + "'"


def derived_name(database: str, suffix: str) -> str:
    """``<database>_<suffix>``, the database's part cut so that PostgreSQL keeps the whole name."""
    room = MAX_IDENTIFIER - len(suffix.encode()) - 1
    stem = database.encode()[:room].decode(errors="ignore")
    return f"{stem}_{suffix}"


#: Runs first in every session: no time limit of the server or role may end a long job, messages
#: are not mixed into the answers, and row security fails loudly instead of hiding rows.
SESSION_SETTINGS = """
SET client_min_messages = warning;
SET standard_conforming_strings = on;
SELECT set_config(name, '0', false) IS NULL AS unset FROM pg_settings
 WHERE name IN ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout',
                'idle_session_timeout', 'transaction_timeout')
\\g /dev/null
"""

#: Tables of people: not the catalogue's, and not those that an extension made (pg_dump leaves
#: their contents to the extension; PostGIS's spatial_ref_sys is the usual one).
_OWN_RELATIONS = """
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend d
                    WHERE d.classid = 'pg_catalog.pg_class'::regclass
                      AND d.objid = c.oid AND d.deptype = 'e')
"""

#: One SELECT statement for each table, as JSON strings; running them counts every row. Parents of
#: partitions hold no rows of their own, and materialised views are made anew by a restore.
COUNT_STATEMENTS = f"""
SELECT to_json(format(
         'SELECT json_build_array(%L, (SELECT count(*) FROM ONLY %I.%I));',
         format('%I.%I', n.nspname, c.relname), n.nspname, c.relname))
{_OWN_RELATIONS} AND c.relkind = 'r' AND c.relpersistence <> 't'
 ORDER BY n.nspname, c.relname;
"""

COUNT_LARGE_OBJECTS = "SELECT count(*) FROM pg_catalog.pg_largeobject_metadata;"

#: How a database was made; what a restore needs to make it alike. The ICU columns have other names
#: in other versions, so the row is read as JSON and missing keys are null.
DATABASE_SHAPE = """
SELECT json_build_object(
         'name', d.datname,
         'encoding', pg_encoding_to_char(d.encoding),
         'collate', d.datcollate,
         'ctype', d.datctype,
         'provider', coalesce(to_json(d) ->> 'datlocprovider', 'c'),
         'locale', coalesce(to_json(d) ->> 'datlocale', to_json(d) ->> 'daticulocale'))
  FROM pg_catalog.pg_database d WHERE d.datname = current_database();
"""

FACTS = f"""
SELECT json_build_object(
  'server_version', split_part(current_setting('server_version'), ' ', 1),
  'server_version_num', current_setting('server_version_num')::int,
  'database', current_database(),
  'user', current_user,
  'size', pg_database_size(current_database()),
  'superuser', r.rolsuper,
  'may_create_database', r.rolsuper OR r.rolcreatedb,
  'may_terminate', r.rolsuper OR pg_has_role(current_user, 'pg_signal_backend', 'MEMBER'),
  'owner', d.datdba = r.oid OR pg_has_role(current_user, d.datdba, 'MEMBER'),
  'in_recovery', pg_is_in_recovery(),
  'max_connections', current_setting('max_connections')::int,
  'reserved_connections', current_setting('superuser_reserved_connections')::int,
  'connections', (SELECT count(*) FROM pg_stat_activity a
                   WHERE a.backend_type = 'client backend'
                      OR (a.backend_type IS NULL AND a.datid IS NOT NULL)),
  'data_directory', (SELECT s.setting FROM pg_settings s WHERE s.name = 'data_directory'),
  'tables', (SELECT count(*) {_OWN_RELATIONS} AND c.relkind = 'r'),
  'unreadable', (SELECT coalesce(json_agg(format('%I.%I', n.nspname, c.relname)
                                          ORDER BY n.nspname, c.relname), '[]')
                 {_OWN_RELATIONS} AND c.relkind IN ('r', 'p', 'S')
                 AND NOT (has_schema_privilege(n.oid, 'USAGE')
                          AND CASE WHEN c.relkind = 'S' THEN has_sequence_privilege(c.oid, 'SELECT')
                                   ELSE has_table_privilege(c.oid, 'SELECT') END)),
  'row_security', (SELECT coalesce(json_agg(format('%I.%I', n.nspname, c.relname)
                                            ORDER BY n.nspname, c.relname), '[]')
                   {_OWN_RELATIONS} AND c.relrowsecurity
                   AND NOT (r.rolsuper OR r.rolbypassrls)
                   AND (c.relforcerowsecurity
                        OR NOT pg_has_role(current_user, c.relowner, 'MEMBER'))))
  FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
 WHERE r.rolname = current_user AND d.datname = current_database();
"""


def create_database(name: str, shape: dict[str, str | None]) -> str:
    """``CREATE DATABASE name`` with encoding and locale of ``shape`` (see DATABASE_SHAPE)."""
    words = [f"CREATE DATABASE {identifier(name)} TEMPLATE template0"]
    words.append(f"ENCODING {literal(str(shape['encoding']))}")
    words.append(f"LC_COLLATE {literal(str(shape['collate']))}")
    words.append(f"LC_CTYPE {literal(str(shape['ctype']))}")
    provider, locale = shape.get("provider"), shape.get("locale")
    if provider == "i" and locale:
        words.append(f"LOCALE_PROVIDER icu ICU_LOCALE {literal(locale)}")
    elif provider == "b" and locale:
        words.append(f"LOCALE_PROVIDER builtin BUILTIN_LOCALE {literal(locale)}")
    return " ".join(words) + ";"


def terminate_sessions(databases: list[int]) -> str:
    """End the sessions of others in databases given by oid, as far as the role may.

    Answers with a line of JSON for each: pid, user, application, address, ended. Workers of
    autovacuum are left out: DROP and RENAME send them away by themselves, and only a superuser may.
    """
    oids = ", ".join(str(int(oid)) for oid in databases) or "0"
    return f"""
SELECT json_build_object(
         'pid', a.pid, 'user', a.usename, 'application', a.application_name,
         'address', coalesce(host(a.client_addr), 'local'),
         'ended', CASE WHEN me.rolsuper OR pg_has_role(me.oid, a.usesysid, 'MEMBER')
                         OR (pg_has_role(me.oid, 'pg_signal_backend', 'MEMBER')
                             AND NOT other.rolsuper)
                       THEN pg_terminate_backend(a.pid) ELSE false END)
  FROM pg_stat_activity a
  JOIN pg_roles other ON other.oid = a.usesysid, pg_roles me
 WHERE a.datid IN ({oids}) AND a.pid <> pg_backend_pid() AND me.rolname = current_user
   AND coalesce(a.backend_type, 'client backend') <> 'autovacuum worker';
"""
