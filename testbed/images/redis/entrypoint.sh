#!/bin/sh
# Run as user redis and, as the official image is built to, without the protected mode that
# would refuse other containers.
set -eu

case "${1:-redis-server}" in
    -* | *.conf) set -- redis-server "$@" ;;
esac
if [ "${1:-}" = redis-server ]; then
    set -- "$@" --protected-mode no
    if [ "$(id -u)" = 0 ]; then
        find . ! -user redis -exec chown redis {} +
        exec gosu redis "$@"
    fi
fi
exec "$@"
