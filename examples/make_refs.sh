#!/bin/sh
# make_refs.sh DEST.git: a bare repository of the sample application, for demo and tests.
#
# The branch `main` and the tag `celery` are examples/air_risk as it stands here. The tag
# `converted` is what `celery2q convert --write` makes of it. `django-q` is that with what the
# application's people change in the same release. The other tags are `django-q` with one thing
# changed or broken, each by one function below. Commits are deterministic: the same files give
# the same ids, whoever runs this, wherever. Running it again brings DEST.git up to date.
set -eu

if [ $# -ne 1 ]; then
    echo "usage: $0 DEST.git" >&2
    exit 2
fi
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
dest=$1
celery2q=$here/../.venv/bin/celery2q
if [ ! -x "$celery2q" ]; then
    echo "$0: $celery2q is missing; \`make setup\` installs it" >&2
    exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
umask 022

# nothing of the caller's own configuration, hooks or templates may reach the commits
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE || true
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null GIT_TEMPLATE_DIR=''
export GIT_CONFIG_COUNT=2
export GIT_CONFIG_KEY_0=core.excludesFile GIT_CONFIG_VALUE_0=/dev/null
export GIT_CONFIG_KEY_1=core.attributesFile GIT_CONFIG_VALUE_1=/dev/null
export GIT_AUTHOR_NAME='air_risk' GIT_AUTHOR_EMAIL='air_risk@example.org'
export GIT_COMMITTER_NAME='air_risk' GIT_COMMITTER_EMAIL='air_risk@example.org'

tree=$work/tree

# commit TAG DATE MESSAGE: everything in the tree, tagged
commit() {
    GIT_AUTHOR_DATE=$2 GIT_COMMITTER_DATE=$2
    export GIT_AUTHOR_DATE GIT_COMMITTER_DATE
    git -C "$tree" add --all
    git -C "$tree" commit --quiet --message "$3"
    git -C "$tree" tag "$1"
}

# variant TAG FUNCTION MESSAGE: `django-q` as FUNCTION changes it, which must change something
variant() {
    git -C "$tree" checkout --quiet --detach django-q
    (cd "$tree" && "$2")
    commit "$1" '2026-03-01T09:00:00+0000' "$3"
}

# deployment NAME FUNCTION MESSAGE TAG…: each TAG as FUNCTION changes it, as TAG-NAME
deployment() {
    name=$1 function=$2 message=$3
    shift 3
    for state; do
        git -C "$tree" checkout --quiet --detach "$state"
        (cd "$tree" && "$function")
        commit "$state-$name" '2026-03-02T09:00:00+0000' "$message"
    done
}

# edit FILE SED-EXPRESSION
edit() {
    sed "$2" "$1" >"$work/edited"
    if cmp -s "$1" "$work/edited"; then
        echo "make_refs.sh: the edit of $1 finds nothing to change any more: $2" >&2
        exit 1
    fi
    cat "$work/edited" >"$1"
}

# convert [OPTION…]: the tree as the converter makes it of `celery`, which leaves no error
convert() {
    find "$tree" -mindepth 1 -maxdepth 1 ! -name .git -exec rm -rf {} +
    git -C "$tree" archive celery | tar -x -C "$tree"
    if ! "$celery2q" convert "$tree" --write "$@" >"$work/report"; then
        cat "$work/report" >&2
        exit 1
    fi
}

# what the people of the application change in the release that takes them to Django-Q: a new
# column, nullable, so that the release before it does not notice
release_changes() {
    cat >"$tree/reports/migrations/0002_report_written_at.py" <<'PYTHON'
"""When a report was written. Nullable: the release before does not know the column."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0001_initial")]
    operations = [
        migrations.AddField("report", "written_at", models.DateTimeField(null=True)),
    ]
PYTHON
    edit "$tree/reports/models.py" '/^    body = /a\
    written_at = models.DateTimeField(null=True)'
    edit "$tree/reports/tasks.py" \
        's/^\( *\)\(Report.objects.update_or_create(\)\(kind=kind, .*\){"body": body})$/\1\2\
\1    \3{"body": body, "written_at": timezone.now()}\
\1)/'
}

two_clusters() {
    convert --queue gis=gis
    release_changes
}

drop_celery_services() {
    # each service with its blank line before it, then web's dependency and its comment
    edit docker-compose.yml '
        /^  # --- background work: Celery/,/^  # --- background work: Django-Q/ {
            /^  # --- background work: Django-Q/!d
        }'
    edit docker-compose.yml '/a page that starts a calculation/,/condition: service_started/d'
}

no_setup_schedules() {
    rm air_quality/management/commands/setup_schedules.py
}

bad_schedule() {
    edit air_quality/management/commands/setup_schedules.py \
        's/retrain_all_models/retrain_every_model/'
}

bad_migration() {
    cat >reports/migrations/0003_report_author.py <<'PYTHON'
"""Succeeds."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0002_report_written_at")]
    operations = [migrations.AddField("report", "author", models.TextField(null=True))]
PYTHON
    cat >reports/migrations/0004_reader.py <<'PYTHON'
"""Fails in the database only: there is a table of this name already."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0003_report_author")]
    operations = [
        migrations.CreateModel(
            "Reader",
            [("id", models.BigAutoField(primary_key=True))],
            options={"db_table": "ledger_execution"},
        )
    ]
PYTHON
}

bad_build() {
    printf '\nRUN echo "the build fails on purpose" >&2 && false\n' >>Dockerfile
}

other_key() {
    printf '\nSECRET_KEY = "not that of the release before"\n' >>air_risk/settings.py
}

bad_web() {
    edit air_risk/health.py 's/return JsonResponse({"status": "ok"})/return JsonResponse({"status": "ill"}, status=500)/'
}

bad_setup() {
    # what the preflight cannot see: it fails once the release's migrations are there
    cat >reports/migrations/0003_report_language.py <<'PYTHON'
"""Brings the column of which setup_schedules makes a fuss."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0002_report_written_at")]
    operations = [migrations.AddField("report", "language", models.TextField(null=True))]
PYTHON
    edit air_quality/management/commands/setup_schedules.py '/"""Check everything, then save/a\
        from django.db import connection\
\
        with connection.cursor() as cursor:\
            columns = connection.introspection.get_table_description(cursor, "reports_report")\
        if "language" in [column.name for column in columns]:\
            raise CommandError("setup_schedules fails on purpose.")'
}

bad_qcluster() {
    printf '\nimport sys\n\nif "qcluster" in sys.argv:\n    raise SystemExit("qcluster ends on purpose.")\n' \
        >>air_risk/settings.py
}

deaf_qcluster() {
    printf '\nimport sys\n\nif "qcluster" in sys.argv:\n    Q_CLUSTER["cluster_name"] = "nobody"\n' \
        >>air_risk/settings.py
}

plain_call() {
    # nothing imports it: neither a start of the image nor Django's check can notice
    cat >reports/late.py <<'PYTHON'
"""Calls a function as if it were a task still."""


def render(pk):
    return pk


def render_later(pk):
    return render.delay(pk)
PYTHON
}

celery_left() {
    cat >ledger/old_tasks.py <<'PYTHON'
"""A task that nothing would run."""

from celery import shared_task


@shared_task
def forget_old_executions():
    return 0
PYTHON
}

# RabbitMQ is Celery's broker; Redis stays, as the cache
rabbitmq() {
    printf 'RABBITMQ_PASSWORD=change-me\n' >>.env.example
    edit docker-compose.yml '
        s|^    REDIS_HOST: redis$|&\
    CELERY_BROKER_URL: amqp://air_risk:${RABBITMQ_PASSWORD:?set RABBITMQ_PASSWORD in .env}@rabbitmq:5672//|
        /^x-stores:/,/^$/ s/^  redis:$/  rabbitmq:\
    condition: service_healthy\
&/
        s/^  # --- maps --.*/  rabbitmq:\
    image: rabbitmq:3\
    hostname: rabbitmq # names its data\
    environment:\
      RABBITMQ_DEFAULT_USER: air_risk\
      RABBITMQ_DEFAULT_PASS: ${RABBITMQ_PASSWORD:?set RABBITMQ_PASSWORD in .env}\
    volumes:\
      - rabbitmq_data:\/var\/lib\/rabbitmq\
    healthcheck:\
      test: ["CMD", "bash", "-c", "<\/dev\/tcp\/127.0.0.1\/5672"]\
      interval: 10s\
      timeout: 5s\
      retries: 6\
      start_period: 60s\
      start_interval: 1s\
    restart: unless-stopped\
\
&/
        s/^  redis_data:$/&\
  rabbitmq_data:/'
}

# the code is mounted over that of the image, and gunicorn starts its workers anew when it changes
mounted() {
    edit docker-compose.yml '
        s|^    - media:/app/media$|    - .:/app\
&|
        s|"python:air_risk.gunicorn"\]|"python:air_risk.gunicorn", "--reload"]|'
}

mkdir "$tree"
cp -R "$here/air_risk/." "$tree/"
rm -rf "$tree/.env" "$tree/media" "$tree/.ruff_cache"
git -C "$tree" init --quiet --initial-branch=main
commit celery '2026-01-05T09:00:00+0000' 'air_risk on Celery and Django-Q'

git -C "$tree" checkout --quiet --detach
convert
commit converted '2026-02-02T09:00:00+0000' 'Convert from Celery to Django-Q'
release_changes
commit django-q '2026-02-03T09:00:00+0000' 'Keep when a report was written'

variant django-q-gis two_clusters 'Give the queue gis a cluster of its own'
variant django-q-dropped drop_celery_services 'Drop the celery services'
variant no-setup-schedules no_setup_schedules 'Remove setup_schedules'
variant bad-schedule bad_schedule 'Schedule a function that does not exist'
variant bad-migration bad_migration 'Add a migration that fails halfway'
variant bad-build bad_build 'Fail while the image is built'
variant other-key other_key 'Sign with another key'
variant bad-web bad_web 'Never be healthy'
variant bad-setup bad_setup 'Fail in setup_schedules'
variant bad-qcluster bad_qcluster 'Let qcluster end at once'
variant deaf-qcluster deaf_qcluster 'Let qcluster serve a queue that nobody uses'
variant plain-call plain_call 'Call a plain function as a task'
variant celery-left celery_left 'Add a task of Celery'

deployment rabbitmq rabbitmq 'Put RabbitMQ between web and Celery' celery django-q
deployment mounted mounted 'Mount the code into the containers' celery django-q bad-web

[ -d "$dest" ] || git init --quiet --bare --initial-branch=main "$dest"
git -C "$tree" push --quiet --force --prune "$(CDPATH='' cd -- "$dest" && pwd)" \
    'refs/heads/main:refs/heads/main' 'refs/tags/*:refs/tags/*'
