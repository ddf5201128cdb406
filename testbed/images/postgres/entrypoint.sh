#!/bin/sh
# Initialise a database on the first start, then run the server, as the official image does.
set -eu

case "${1:-postgres}" in
    -*) set -- postgres "$@" ;;
esac
[ "${1:-}" = postgres ] || exec "$@"

if [ "$(id -u)" = 0 ]; then
    mkdir -p "$PGDATA" /var/run/postgresql
    chown -R postgres:postgres "$PGDATA" /var/run/postgresql
    chmod 0700 "$PGDATA"
    exec gosu postgres "$0" "$@"
fi

if [ -n "${POSTGRES_PASSWORD_FILE:-}" ]; then
    POSTGRES_PASSWORD=$(cat "$POSTGRES_PASSWORD_FILE")
fi
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}
method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
    if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
        echo "Error: Database is uninitialized and superuser password is not specified." >&2
        exit 1
    fi
    # An initialisation that was cut short left files without PG_VERSION.
    find "$PGDATA" -mindepth 1 -delete
    password_file=$(mktemp)
    printf '%s\n' "${POSTGRES_PASSWORD:-}" > "$password_file"
    if [ -n "${POSTGRES_PASSWORD:-}" ]; then
        initdb --username="$user" --pwfile="$password_file" --encoding=UTF8 ${POSTGRES_INITDB_ARGS:-}
    else
        initdb --username="$user" --encoding=UTF8 ${POSTGRES_INITDB_ARGS:-}
    fi
    rm -f "$password_file"
    printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"

    # A server on its socket only, while the database and what initdb.d brings are made.
    pg_ctl --wait --options="-c listen_addresses=''" start
    if [ "$database" != postgres ]; then
        createdb --username="$user" --maintenance-db=postgres "$database"
    fi
    for file in /docker-entrypoint-initdb.d/*; do
        case "$file" in
            *.sh) sh "$file" ;;
            *.sql) psql --username="$user" --dbname="$database" -v ON_ERROR_STOP=1 -f "$file" ;;
        esac
    done
    pg_ctl --wait --mode=fast stop
fi

exec "$@"
