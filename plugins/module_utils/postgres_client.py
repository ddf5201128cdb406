# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Two ways to PostgreSQL's client programs: in its container, or from the host over the network.

Both hand out an :class:`Invocation`, which any caller can start; a password is never among its
arguments. In a container it is the first line of standard input, read by a small shell wrapper;
over the network it stands in a PGPASSFILE of mode 0600 in a private folder.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from abc import ABC, abstractmethod
from glob import glob

from ansible_collections.cutover.django_q.plugins.module_utils.postgres_errors import (
    PostgresError,
    explain,
    last_lines,
)
from ansible_collections.cutover.django_q.plugins.module_utils.postgres_program import (
    Invocation,
    Options,
    Version,
    environment,
    parse_version,
    run,
)

#: Reads the password (a line, may be empty) and becomes the program. Without a password it takes
#: the one the image was started with, for images whose local connections ask for one too.
_WRAPPER = (
    "IFS= read -r PGPASSWORD; "
    'if [ -z "$PGPASSWORD" ]; then PGPASSWORD=${POSTGRES_PASSWORD:-}; '
    'if [ -z "$PGPASSWORD" ] && [ -r "${POSTGRES_PASSWORD_FILE:-}" ]; then '
    'PGPASSWORD=$(cat "$POSTGRES_PASSWORD_FILE"); fi; fi; '
    "export PGPASSWORD; "
)

#: Runs a job that ends when standard input does. A process that `docker exec` started outlives its
#: client: a killed dump would leave a pg_dump behind that holds its locks for ever.
#: No process but the shell itself may be left behind: the container's first process is the server,
#: it adopts what is, and takes an adopted child's death by a signal for a crash of its own, ends
#: every session and starts its recovery. So all are children of the shell, which waits for each.
_LIFELINE = (
    "exec 3<&0; {start}; "
    "{{ while read -r _; do :; done <&3; kill $pids; }} >/dev/null 2>&1 & watch=$!; "
    "{reap}; "
    # By SIGKILL: a shell that was forked this moment can lose another signal.
    "{{ kill -KILL $watch; wait $watch; }} 2>/dev/null; exit $status"
)

#: Where distributions put PostgreSQL's programs, a folder for each major version.
_CLIENT_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/*/bin")

#: What the image's own variables say, resolved as its entrypoint does.
_CONTAINER_DEFAULTS = (
    'user=${POSTGRES_USER:-}; if [ -z "$user" ] && [ -r "${POSTGRES_USER_FILE:-}" ]; then '
    'user=$(cat "$POSTGRES_USER_FILE"); fi; user=${user:-postgres}; '
    'db=${POSTGRES_DB:-}; if [ -z "$db" ] && [ -r "${POSTGRES_DB_FILE:-}" ]; then '
    'db=$(cat "$POSTGRES_DB_FILE"); fi; printf "%s\\n%s\\n" "$user" "${db:-$user}"'
)


def passfile_line(password: str) -> str:
    """One line of a PGPASSFILE that gives ``password`` to every connection."""
    escaped = password.replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:*:{escaped}\n"


def pick_client_major(available: list[int], server: int) -> int:
    """The client to use for a server: the same major, else the next newer, else the newest.

    Args:
        available: Major versions that are installed; at least one.
        server: The server's major version.
    """
    newer = [major for major in available if major >= server]
    return min(newer) if newer else max(available)


class Client(ABC):
    """PostgreSQL's client programs for one database; use it in a ``with`` statement."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.user = options.user
        self.database = options.database
        #: Whether the programs in use are of a newer major version than the server.
        self.newer_than_server = False

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    @property
    @abstractmethod
    def where(self) -> str:
        """The container or ``host:port``, for messages."""

    @property
    def in_container(self) -> bool:
        """Whether the programs run inside the database's container."""
        return bool(self.options.container)

    @abstractmethod
    def program(
        self,
        name: str,
        arguments: list[str],
        *,
        database: str = "",
        application: str = "",
        lifeline: bool = False,
    ) -> Invocation:
        """How to start a client program.

        Args:
            name: The program.
            arguments: Its arguments.
            database: The database to connect to; empty means the client's own.
            application: The session's application_name.
            lifeline: The program, which reads nothing, ends with this process, even where it runs
                in a container.
        """

    def prefer(self, server_major: int) -> None:
        """Use the programs that fit the server best, where there is a choice."""
        return None

    def version(self, name: str) -> Version:
        """The version of a client program.

        Raises:
            PostgresError: It is not there, or says nothing that can be read.
        """
        invocation = self.program(name, ["--version"])
        status, out, err = run(invocation)
        if status != 0:
            raise self.explain(name, status, err)
        return parse_version(out)

    def missing(self, name: str, words: str = "") -> PostgresError:
        """The error for a client program that is not there."""
        return PostgresError(
            "no_client",
            f"There is no {name} where PostgreSQL's client programs were looked for "
            f"({'in container ' if self.in_container else 'on the host, for '}{self.where}).",
            found=last_lines(words, 1).rstrip("."),
            fix="Install PostgreSQL's client package of the server's major version, or set "
            "postgres_backup_client_dir.",
        )

    def explain(self, program: str, status: int, stderr: str) -> PostgresError:
        """The error for a client program that failed."""
        if status == 127 and not stderr.startswith(self.options.docker):
            return self.missing(program, stderr)
        return explain(program, status, stderr, user=self.user, where=self.where)

    def _settings(self, database: str, application: str) -> dict[str, str]:
        settings = {
            "LC_ALL": "C",
            "PGUSER": self.user,
            "PGDATABASE": database or self.database,
            "PGPORT": str(self.options.port),
            "PGAPPNAME": application or "cutover",
            "PGCONNECT_TIMEOUT": str(self.options.connect_timeout),
        }
        if self.options.sslmode:
            settings["PGSSLMODE"] = self.options.sslmode
        if self.options.sslrootcert:
            settings["PGSSLROOTCERT"] = self.options.sslrootcert
        return settings


class NetworkClient(Client):
    """The host's own client programs, for a database that is reached over the network."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._private = ""
        self._folders = client_folders(options.client_dir)
        if not self._folders:
            raise self.missing("psql")
        self._folder = self._folders[max(self._folders)]

    def __enter__(self) -> NetworkClient:
        self._private = tempfile.mkdtemp(prefix="cutover-postgres-")
        if self.options.password:
            path = os.path.join(self._private, "pgpass")
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(passfile_line(self.options.password))
        return self

    def __exit__(self, *_: object) -> None:
        if self._private:
            shutil.rmtree(self._private, ignore_errors=True)

    @property
    def where(self) -> str:
        return f"{self.options.host}:{self.options.port}"

    def prefer(self, server_major: int) -> None:
        major = pick_client_major(list(self._folders), server_major)
        self._folder = self._folders[major]
        self.newer_than_server = major > server_major

    def program(
        self,
        name: str,
        arguments: list[str],
        *,
        database: str = "",
        application: str = "",
        lifeline: bool = False,
    ) -> Invocation:
        env = {**environment(), **self._settings(database, application)}
        env["PGHOST"] = self.options.host
        env["PGPASSFILE"] = os.path.join(self._private, "pgpass")
        return Invocation([os.path.join(self._folder, name), *arguments], env)


class ContainerClient(Client):
    """The client programs inside the database's container, through ``docker exec``."""

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._address = ""

    def __enter__(self) -> ContainerClient:
        """Fill in the image's own user and database where none was given."""
        options = self.options
        status, out, err = run(
            Invocation([*self._docker([]), "sh", "-c", _CONTAINER_DEFAULTS], environment())
        )
        if status != 0:
            raise self.explain("docker exec", status, err)
        user, database = [*out.split("\n"), "", ""][:2]
        self.user = options.user or user
        self.database = options.database or database
        if options.password:
            self._address = self._own_address()
        return self

    @property
    def where(self) -> str:
        return self.options.container

    @property
    def password_is_checked(self) -> bool:
        """Whether connections go over an address at which the image asks for the password."""
        return bool(self._address)

    def program(
        self,
        name: str,
        arguments: list[str],
        *,
        database: str = "",
        application: str = "",
        lifeline: bool = False,
    ) -> Invocation:
        script = 'exec "$@"'
        if lifeline:
            start = '"$@" </dev/null 3<&- & pids=$!'
            script = _LIFELINE.format(start=start, reap="wait $pids; status=$?")
        argv = ["sh", "-c", _WRAPPER + script, "sh", name, *arguments]
        return self._wrapped(argv, database, application, lifeline)

    def shell(self, script: str, arguments: list[str], *, application: str = "") -> Invocation:
        """Like :meth:`program` for a piece of bash that gets ``arguments`` as ``"$@"``."""
        argv = ["bash", "-c", _WRAPPER + script, "bash", *arguments]
        return self._wrapped(argv, "", application, lifeline=False)

    def filtered(
        self, name: str, arguments: list[str], filter_argv: list[str], *, application: str = ""
    ) -> Invocation:
        """Like :meth:`program` with a lifeline, its output piped through another program there."""
        # No pipeline: of that, only the last process could be waited for by its number.
        start = (
            f'exec 4< <(exec {name} "$@" </dev/null 3<&-); first=$!; '
            f"{shlex.join(filter_argv)} <&4 3<&- 4<&- & last=$!; exec 4<&-; "
            'pids="$first $last"'
        )
        reap = "wait $first; status=$?; wait $last || status=$?"
        script = _WRAPPER + _LIFELINE.format(start=start, reap=reap)
        return self._wrapped(["bash", "-c", script, "bash", *arguments], "", application, True)

    def has(self, *programs: str) -> bool:
        """Whether every one of ``programs`` is in the container."""
        script = 'for name in "$@"; do command -v "$name" >/dev/null || exit 1; done'
        argv = [*self._docker([]), "sh", "-c", script, "sh", *programs]
        return run(Invocation(argv, environment()))[0] == 0

    def _docker(self, settings: list[str]) -> list[str]:
        flags = [word for pair in settings for word in ("-e", pair)]
        return [self.options.docker, "exec", "-i", *flags, self.options.container]

    def _wrapped(
        self, argv: list[str], database: str, application: str, lifeline: bool
    ) -> Invocation:
        settings = self._settings(database, application)
        if self._address:
            settings["PGHOST"] = self._address
        pairs = [f"{key}={value}" for key, value in settings.items()]
        password = self.options.password.encode() + b"\n"
        return Invocation(self._docker(pairs) + argv, environment(), password, lifeline)

    def _own_address(self) -> str:
        """The container's own address, where the official image asks for the password."""
        template = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        argv = [self.options.docker, "inspect", "--format", template, self.options.container]
        status, out, err = run(Invocation(argv, environment()))
        if status != 0:
            raise self.explain("docker inspect", status, err)
        return [*out.split(), ""][0]


def client_folders(client_dir: str) -> dict[int, str]:
    """Folders of the host that hold psql and pg_dump, by their major version.

    Args:
        client_dir: The one folder to look in; empty looks in PATH and the distributions' places.
    """
    if client_dir:
        folders = [client_dir]
    else:
        folders = [place for pattern in _CLIENT_FOLDERS for place in sorted(glob(pattern))]
        on_path = shutil.which("pg_dump")
        if on_path:
            folders.append(os.path.dirname(on_path))
    found: dict[int, str] = {}
    for folder in folders:
        paths = [os.path.join(folder, name) for name in ("psql", "pg_dump", "pg_restore")]
        if not all(os.access(path, os.X_OK) for path in paths):
            continue
        status, out, _ = run(Invocation([paths[1], "--version"], dict(os.environ, LC_ALL="C")))
        if status == 0:
            found.setdefault(parse_version(out).major, folder)
    return found


def connect(options: Options) -> Client:
    """The client for ``options``; enter it with ``with`` before use."""
    return ContainerClient(options) if options.container else NetworkClient(options)
