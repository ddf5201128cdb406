"""What public migrations by hand left behind: the linter finds each of it."""

from pathlib import Path

import pytest

from celery2q.config import Config
from celery2q.context import Context
from celery2q.engine import lint
from celery2q.sources import Source, Tree

JOBS = "def send(order=1, timeout=None):\n    pass\n"
SETTINGS = (
    "INSTALLED_APPS = ['django_q', 'shop']\n"
    "CACHES = {'default': {'BACKEND': 'django.core.cache.backends.redis.RedisCache'}}\n"
    "Q_CLUSTER = {'name': 'shop', 'orm': 'default', 'workers': 2, 'queue_limit': 1,\n"
    "    'timeout': 600, 'retry': 1300, 'ack_failures': True}\n"
)
ASYNC = "from django_q.tasks import async_task\n\n\ndef view():\n    "
SCHEDULE = "from django_q.models import Schedule\n\n\ndef setup():\n    "
COMMAND = "management/commands/setup_schedules.py"

LEFT_BEHIND = {
    "delay on a function that is plain now": (
        "plain-call",
        {"shop/a.py": "from shop.jobs import send\n\nsend.delay(1)\n"},
    ),
    "self.retry where self is gone": (
        "plain-call",
        {"shop/a.py": "# celery\ndef job():\n    raise self.retry(countdown=60)\n"},
    ),
    "a schedule that names a function that does not exist": (
        "schedule-row",
        {"shop/a.py": SCHEDULE + "Schedule.objects.create(func='shop.jobs.gone')\n"},
    ),
    "Sentry's Celery integration": (
        "sentry-integration",
        {
            "shop/a.py": "from sentry_sdk.integrations.celery import CeleryIntegration\n\n"
            "x = [CeleryIntegration()]\n"
        },
    ),
    "a check command that imports the app's module that is gone": (
        "celery-import",
        {"shop/management/commands/check_tasks.py": "from shop.celery import app\n"},
    ),
    "setup_schedules in two apps": (
        "duplicate-command",
        {f"shop/{COMMAND}": "", f"mail/{COMMAND}": ""},
    ),
    "Q_CLUSTER twice": (
        "q-cluster",
        {"shop/settings.py": SETTINGS + "Q_CLUSTER = {'a': 1}\n"},
    ),
    "a cluster that nobody serves": (
        "async-call",
        {"shop/a.py": ASYNC + "async_task('shop.jobs.send', cluster='gis')\n"},
    ),
    "a task of an hour under a timeout of ten minutes": (
        "q-cluster",
        {"shop/settings.py": SETTINGS + "CELERY_TASK_TIME_LIMIT = 3600\n"},
    ),
    "retry= that the function gets": (
        "async-call",
        {"shop/a.py": ASYNC + "async_task('shop.jobs.send', 1, retry=3)\n"},
    ),
    "a parameter named timeout that is swallowed": (
        "async-call",
        {"shop/a.py": ASYNC + "async_task('shop.jobs.send', 1, timeout=3)\n"},
    ),
    "a countdown that became a timeout": (
        "async-call",
        {
            "shop/a.py": "from django_q.tasks import async_task\n\n\ndef job():\n    try:\n"
            "        pass\n    except OSError:\n"
            "        async_task('shop.jobs.send', q_options={'timeout': 60})\n"
        },
    ),
    "Monday 08:00 as WEEKLY without next_run": (
        "schedule-row",
        {
            "shop/a.py": SCHEDULE + "Schedule.objects.create(func='shop.jobs.send', "
            "schedule_type=Schedule.WEEKLY)\n"
        },
    ),
    "schedules made in ready()": (
        "schedule-row",
        {
            "shop/apps.py": "from django.apps import AppConfig\n\n\nclass Shop(AppConfig):\n"
            "    def ready(self):\n        try:\n"
            "            from django_q.models import Schedule\n\n"
            "            Schedule.objects.get_or_create(name='a', func='shop.jobs.send')\n"
            "        except Exception:\n            pass\n"
        },
    ),
    "shared_task again": (
        "task-decorator",
        {"shop/a.py": "from celery import shared_task\n\n\n@shared_task\ndef new():\n    pass\n"},
    ),
    "a result of the helper's task that is waited for": (
        "plain-call",
        {
            "shop/q_tasks.py": "def q_task(**options):\n    pass\n",
            "shop/a.py": "from shop.q_tasks import q_task\n\n\n@q_task(bind=True)\n"
            "def send(self):\n    pass\n\n\ndef view():\n    return send.delay().get()\n",
        },
    ),
    "a result of async_task that is waited for": (
        "async-call",
        {"shop/a.py": ASYNC + "return async_task('shop.jobs.send', 1).get()\n"},
    ),
    "progress of a task that was handed on": (
        "task-progress",
        {"shop/a.py": "def run(task):\n    task.update_state(state='PROGRESS', meta={})\n"},
    ),
    "a SECRET_KEY of each process": (
        "secret-key",
        {
            "shop/settings.py": "import secrets\n\nSECRET_KEY = secrets.token_hex()\n" + SETTINGS,
        },
    ),
    "a health check that is disabled": (
        "compose-service",
        {
            "docker-compose.yml": "services:\n  q:\n    command: [python, manage.py, qcluster]\n"
            "    healthcheck:\n      disable: true\n"
        },
    ),
    "a retry that is too small": (
        "q-cluster",
        {"shop/settings.py": SETTINGS.replace("1300", "700")},
    ),
    "a requirement that still names celery": (
        "requirements-file",
        {"requirements.txt": "django\ncelery\n"},
    ),
    "croniter missing": (
        "requirements-file",
        {
            "requirements.txt": "django\ndjango-q2\n",
            "shop/a.py": SCHEDULE + "Schedule.objects.create(func='shop.jobs.send', "
            "cron='0 0 * * *')\n",
        },
    ),
}


def rules_of(files: dict[str, str]) -> set[str]:
    """The rules that find something in a clean project with these files laid over it."""
    base = {"shop/__init__.py": "", "shop/jobs.py": JOBS, "shop/settings.py": SETTINGS}
    texts = base | files
    tree = Tree(Path("/nowhere"), {path: Source(path, text) for path, text in texts.items()})
    return {item.rule for item in lint(Context(tree, Config())) if item.level > 1}


def test_the_clean_project_is_clean():
    assert rules_of({}) == set()


@pytest.mark.parametrize(("rule", "files"), LEFT_BEHIND.values(), ids=LEFT_BEHIND)
def test_it_is_found(rule: str, files: dict[str, str]):
    assert rule in rules_of(files)


PROGRESS = "def run(unit):\n    unit.update_state(state={state!r}{more})\n"
TAKES_IT = "class Unit:\n    def update_state(self, state, meta=None):\n        pass\n"


@pytest.mark.parametrize(
    "files",
    [
        {"shop/a.py": PROGRESS.format(state="open", more="")},
        {"shop/a.py": PROGRESS.format(state="PROGRESS", more=", meta={}"), "shop/b.py": TAKES_IT},
    ],
    ids=["a state that is none of Celery's", "a method of the tree that takes the same"],
)
def test_progress_that_may_be_a_models_own_does_not_stop_a_deployment(files: dict[str, str]):
    assert rules_of(files) == set()
