#!/usr/bin/python
# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""A dump of a live database, whole or absent, with the row counts of its own snapshot."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgres_dump
short_description: Dump a PostgreSQL database and count its rows in the same snapshot
description:
  - Exports a snapshot, counts the rows of every table in it and dumps it with C(pg_dump
    --snapshot), so that the counts are the dump's own while users go on writing.
  - The dump is pg_dump's custom format, compressed by zstd on all cores (of the host, else of the
    container), else by pg_dump itself.
  - It grows beside its place, is flushed to the disk and appears only when pg_dump and zstd both
    ended well; whatever fails, nothing is left behind. Mode 0600, in a folder of mode 0700.
  - A sidecar C(.json) is written last, with size, SHA-256, counts and versions. A dump without one
    is trusted by no module of this collection.
author: The cutover.django_q maintainers
options:
  dir:
    description: The folder for the dump; made when it is not there, mode 0700.
    type: path
    required: true
  label:
    description: Words at the end of the file's name, such as C(before-restore).
    type: str
    default: ""
  compression:
    description: C(auto) takes zstd where there is one; C(zstd) insists; C(pg_dump) does without.
    type: str
    choices: [auto, zstd, pg_dump]
    default: auto
  compression_level:
    description: zstd's level, 1 to 19.
    type: int
    default: 3
  lock_timeout:
    description:
      - Seconds that pg_dump waits for a table that another session has locked, a migration for
        instance.
    type: int
    default: 60
extends_documentation_fragment:
  - cutover.django_q.postgres_connection
attributes:
  check_mode:
    support: full
    description: In check mode it connects, checks the versions and writes nothing.
  idempotent:
    support: none
    description: Every run makes a dump.
"""

EXAMPLES = r"""
- name: Dump the database in its container
  cutover.django_q.postgres_dump:
    container: air_risk-db-1
    dir: /var/lib/cutover/air_risk/backups
  register: dump
"""

RETURN = r"""
path:
  description: The dump; empty in check mode.
  type: str
  returned: success
size:
  description: Its size in bytes.
  type: int
  returned: success, not in check mode
sha256:
  description: Its SHA-256, taken while it was written.
  type: str
  returned: success, not in check mode
tables:
  description: Number of tables in it.
  type: int
  returned: success, not in check mode
rows:
  description: Rows of all its tables.
  type: int
  returned: success, not in check mode
verified:
  description: Always false; M(cutover.django_q.postgres_restore_test) makes it true.
  type: bool
  returned: success, not in check mode
finished_at:
  description: When it was whole, ISO 8601 in UTC.
  type: str
  returned: success, not in check mode
seconds:
  description: How long it took.
  type: float
  returned: success, not in check mode
compression:
  description: Who compressed it, C(host), C(container) or C(pg_dump).
  type: str
  returned: success
database:
  description: The database's name.
  type: str
  returned: success
problem:
  description: Why it failed, with C(code), C(message), C(found), C(expected), C(fix).
  type: dict
  returned: failure
"""

import itertools
import os
import threading
import time
import uuid
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cutover.django_q.plugins.module_utils import (
    postgres_archive,
    postgres_database,
    postgres_sidecar,
    postgres_sql,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_client import (
    Client,
    connect,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import PostgresError
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_inspection import check_age
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_options import (
    options_of,
    run_module,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_program import (
    Version,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_session import Session

ARGUMENTS: dict[str, dict[str, Any]] = {
    "dir": {"type": "path", "required": True},
    "label": {"type": "str", "default": ""},
    "compression": {
        "type": "str",
        "choices": ["auto", "zstd", "pg_dump"],
        "default": "auto",
    },
    "compression_level": {"type": "int", "default": 3},
    "lock_timeout": {"type": "int", "default": 60},
}


class Dumper:
    """One dump of one database.

    Args:
        client: Where PostgreSQL is.
        params: The module's parameters.
    """

    def __init__(self, client: Client, params: dict[str, Any]) -> None:
        self.client = client
        self.params = params
        self.compression = postgres_archive.choose_compression(
            client, params["compression"], params["compression_level"]
        )
        self.session = Session(client, application="cutover dump snapshot")
        self.server = self.session.value(
            "SELECT json_build_object("
            "'text', split_part(current_setting('server_version'), ' ', 1),"
            "'num', current_setting('server_version_num')::int);"
        )
        client.prefer(self.server["num"] // 10000)
        self.program: Version = client.version("pg_dump")
        check_age(self.program, self.server["num"], client)

    def run(self) -> dict[str, Any]:
        """Make the dump and its sidecar.

        Returns:
            The summary of the dump (see RETURN).

        Raises:
            PostgresError: It failed; nothing is left behind.
        """
        begin = time.monotonic()
        started_at = postgres_database.iso_now()
        path = self._prepare()
        # An application name of its own, so that this dump's pg_dump can be found and ended.
        application = f"cutover dump {uuid.uuid4().hex[:12]}"
        self.session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY;")
        self.session.execute("SET LOCAL row_security = off;")
        shape = self.session.value(postgres_sql.DATABASE_SHAPE)
        snapshot = self.session.value("SELECT to_json(pg_export_snapshot());")
        arguments = [
            f"--snapshot={snapshot}",
            f"--lock-wait-timeout={self.params['lock_timeout'] * 1000}",
        ]
        stages = postgres_archive.dump_pipeline(
            self.client, self.compression, arguments, application
        )
        counting = _Counting(self.session)
        pipeline = postgres_archive.Pipeline(self.client, stages, "pg_dump")
        whole = False
        try:
            counting.start()
            size, sha256 = postgres_archive.receive(pipeline, path)
            tables, large_objects = counting.result()
            dump = postgres_sidecar.Dump(
                path,
                {
                    "format": postgres_sidecar.FORMAT,
                    "file": os.path.basename(path),
                    "database": shape,
                    "size": size,
                    "sha256": sha256,
                    "started_at": started_at,
                    "finished_at": postgres_database.iso_now(),
                    "seconds": round(time.monotonic() - begin, 2),
                    "compression": {"by": self.compression.by, "level": self.compression.level},
                    "server_version": self.server["text"],
                    "server_version_num": self.server["num"],
                    "client_version": self.program.text,
                    "tables": tables,
                    "large_objects": large_objects,
                    "verified": None,
                },
            )
            postgres_sidecar.write(dump)
            whole = True
        except OSError as error:
            raise postgres_archive.disk_error(error, path, size) from error
        finally:
            pipeline.stop()
            counting.join()
            if not whole:
                self._clean_up(path, application)
        return {**dump.summary(), "seconds": dump.sidecar["seconds"]}

    def close(self) -> None:
        """End the session, and with it the snapshot."""
        self.session.close()

    def _prepare(self) -> str:
        """Make the folder; give back a path in it that nothing has yet."""
        folder = self.params["dir"]
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            os.chmod(folder, 0o700)
            postgres_archive.remove_abandoned(folder)
        except OSError as error:
            raise PostgresError(
                "not_writable",
                f"The folder {folder} cannot be used for the dump.",
                found=str(error),
                fix="Set postgres_backup_dir to a folder that can be made and written.",
            ) from error
        label = self.params["label"]
        moment = postgres_database.moment() + (f"-{label}" if label else "")
        stem = os.path.join(folder, postgres_sidecar.file_stem(self.client.database, moment))
        for number in itertools.count(1):
            path = stem + (f"-{number}" if number > 1 else "") + self.compression.suffix
            if not any(map(os.path.exists, (path, postgres_archive.partial_path(path)))):
                break
        password = self.client.options.password
        if password and password in path:
            raise PostgresError(
                "password_in_path",
                "The password is a part of the dump's path, which Ansible would hide everywhere.",
                fix="Set postgres_backup_dir to a folder without it, or change the password.",
            )
        return path

    def _clean_up(self, path: str, application: str) -> None:
        """Remove what a failed dump left: its file, and a pg_dump that outlived its reader."""
        for name in (path, postgres_sidecar.sidecar_path(path)):
            if os.path.exists(name):
                os.unlink(name)
        self.session.close()
        try:
            with postgres_database.maintenance(self.client) as session:
                session.query(
                    "SELECT to_json(pg_terminate_backend(pid)) FROM pg_stat_activity "
                    f"WHERE application_name = {postgres_sql.literal(application)};"
                )
        except PostgresError:
            # The first error is the one that matters: without a connection there is no pg_dump.
            return


class _Counting(threading.Thread):
    """Counts the rows in the snapshot while pg_dump works in its own session."""

    def __init__(self, session: Session) -> None:
        super().__init__(daemon=True)
        self._session = session
        self._error: PostgresError | None = None
        self._tables: dict[str, int] = {}
        self._large_objects = 0

    def run(self) -> None:
        """Count; an error is kept for :meth:`result`."""
        try:
            self._tables = postgres_database.count_rows(self._session)
            self._large_objects = postgres_database.count_large_objects(self._session)
        except PostgresError as error:
            self._error = error

    def result(self) -> tuple[dict[str, int], int]:
        """Rows of each table and the number of large objects.

        Raises:
            PostgresError: The counting failed.
        """
        self.join()
        if self._error is not None:
            raise self._error
        return self._tables, self._large_objects


def work(module: AnsibleModule) -> dict[str, Any]:
    """Check, then dump; see RETURN.

    Raises:
        PostgresError: No dump was made.
    """
    level = module.params["compression_level"]
    if not 1 <= level <= 19:
        raise PostgresError(
            "options",
            "postgres_backup_compression_level is out of range.",
            found=str(level),
            expected="1 to 19",
        )
    with connect(options_of(module.params)) as client:
        dumper = Dumper(client, module.params)
        try:
            found = {"path": ""} if module.check_mode else dumper.run()
        finally:
            dumper.close()
        return {
            "changed": True,
            "database": client.database,
            "compression": dumper.compression.by,
            **found,
        }


def main() -> None:
    """Run the module."""
    run_module(ARGUMENTS, work)


if __name__ == "__main__":
    main()
