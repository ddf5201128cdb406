#!/bin/sh
# Refs of the sample application whose PostgreSQL is no service of the project:
# branch managed-celery (checked out) and tag managed-django-q.
set -eu
project=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet "$(git -C "$project" remote get-url origin)" "$work"
cd "$work"
git config user.name tests
git config user.email tests@example.org

without_db() {
    # The service, its volume, what waits for it; the host's name comes from .env.
    sed -i \
        -e '/^  db:$/,/^$/d' \
        -e '/^  db_data:$/d' \
        -e 's/^    POSTGRES_HOST: db$/    POSTGRES_HOST: ${POSTGRES_HOST:?set POSTGRES_HOST in .env}/' \
        docker-compose.yml
}

for ref in celery django-q; do
    git checkout --quiet -B "managed-$ref" "$ref"
    # In x-stores the block of db has no blank line after it.
    sed -i '/^x-stores/,/^$/{/^  db:$/,/^    condition/d}' docker-compose.yml
    without_db
    git commit --quiet --all --message "PostgreSQL is managed elsewhere"
done
git tag managed-django-q-tag managed-django-q
git push --quiet origin managed-celery managed-django-q-tag:refs/tags/managed-django-q
cd "$project"
git fetch --quiet --tags origin
git checkout --quiet -B managed-celery origin/managed-celery
