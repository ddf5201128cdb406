# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The options that say which PostgreSQL is meant, shared by the postgres modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Documentation of `module_utils.postgres_options.CONNECTION_ARGUMENTS`."""

    DOCUMENTATION = r"""
options:
  container:
    description:
      - Id or name of the container that PostgreSQL runs in. Its own client programs are used,
        through C(docker exec).
      - Exactly one of O(container) and O(host) is set.
    type: str
    default: ""
  host:
    description:
      - Name or address of a PostgreSQL that is reached over the network with the client programs
        of the host that the module runs on.
    type: str
    default: ""
  port:
    description: PostgreSQL's port.
    type: int
    default: 5432
  user:
    description:
      - The role to connect as. Empty means the container's E(POSTGRES_USER); with O(host) it must
        be given.
    type: str
    default: ""
  password:
    description:
      - The role's password; it never stands on a command line.
      - With O(container), the connection then goes over the container's own address, because the
        official image trusts local connections and 127.0.0.1 whatever the password. Empty means
        the local socket.
    type: str
    default: ""
  database:
    description:
      - The database. Empty means the container's E(POSTGRES_DB); with O(host) it must be given.
    type: str
    default: ""
  sslmode:
    description: libpq's C(sslmode), such as C(require) or C(verify-full). Empty means its default.
    type: str
    default: ""
  sslrootcert:
    description: File on the host with the certificate authorities that C(verify-full) accepts.
    type: str
    default: ""
  client_dir:
    description:
      - With O(host), the folder of C(psql), C(pg_dump) and C(pg_restore). Empty means that the
        installed version that fits the server best is found.
    type: str
    default: ""
  connect_timeout:
    description: Seconds after which an attempt to connect is given up.
    type: int
    default: 10
  docker:
    description: The Docker client.
    type: str
    default: docker
requirements:
  - With O(container), Docker on the host and C(sh), C(psql), C(pg_dump) and C(pg_restore) in the
    container, as in the official image.
  - With O(host), PostgreSQL's client programs on the host, of the server's major version or newer.
"""
