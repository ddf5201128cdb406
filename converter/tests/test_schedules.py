"""Celery's crontabs as cron: the same minutes, asked of both engines; and the command."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery.schedules import crontab
from croniter import croniter

from celery2q.cli import main
from celery2q.schedules.crontab import compact, from_crontab, from_seconds
from celery2q.schedules.firing import celery_times, q_times
from celery2q.schedules.model import Inexpressible

FORMS = [
    {},
    {"minute": 0},
    {"minute": "*/15"},
    {"minute": "*/7"},
    {"minute": "5-20/5"},
    {"minute": "55-5"},
    {"minute": [1, 2, 59]},
    {"minute": {3, 4}},
    {"minute": 30, "hour": 4},
    {"minute": 0, "hour": "*/3,8-17"},
    {"minute": 0, "hour": "22-4"},
    {"minute": 0, "hour": "22-4/2"},
    {"minute": 0, "hour": 2, "day_of_week": "sunday"},
    {"minute": 0, "hour": 2, "day_of_week": "Mon"},
    {"minute": 0, "hour": 2, "day_of_week": "mon-fri"},
    {"minute": 0, "hour": 2, "day_of_week": "fri-mon"},
    {"minute": 0, "hour": 2, "day_of_week": "mon,wed,sat"},
    {"minute": 0, "hour": 2, "day_of_week": 0},
    {"minute": 0, "hour": 2, "day_of_week": [1, 5]},
    {"minute": 0, "hour": 2, "day_of_week": "*/2"},
    {"minute": 0, "hour": 2, "day_of_month": 1},
    {"minute": 0, "hour": 2, "day_of_month": "1-7,15"},
    {"minute": 0, "hour": 2, "day_of_month": "2-30/3"},
    {"minute": 0, "hour": 2, "day_of_month": 31},
    {"minute": 0, "hour": 2, "day_of_month": 29, "month_of_year": 2},
    {"minute": 0, "hour": 2, "month_of_year": "*/4"},
    {"minute": 0, "hour": 2, "day_of_month": 1, "month_of_year": "jan,jul"},
    {"minute": 0, "hour": 2, "day_of_month": 1, "month_of_year": "november-february"},
    {"minute": 0, "hour": "6,18", "month_of_year": [5, 9], "day_of_week": "thu-fri"},
]


def minutes_of(cron: str, days: int) -> set[datetime]:
    """Every minute that croniter fires at, from 2026 on, for some days."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = start + timedelta(days=days)
    ticks = croniter(cron, start - timedelta(minutes=1))
    found: set[datetime] = set()
    while (tick := ticks.get_next(datetime)) < end:
        found.add(tick)
    return found


def expected(arguments: dict, days: int) -> set[datetime]:
    """Every minute that Celery's sets allow (it asks for all five at once)."""
    schedule = crontab(**arguments)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    found = set()
    for day in range(days):
        date = start + timedelta(days=day)
        if (
            date.month in schedule.month_of_year
            and date.day in schedule.day_of_month
            and (date.weekday() + 1) % 7 in schedule.day_of_week
        ):
            found |= {
                date + timedelta(hours=hour, minutes=minute)
                for hour in schedule.hour
                for minute in schedule.minute
            }
    return found


@pytest.mark.parametrize("arguments", FORMS, ids=map(str, FORMS))
def test_every_form_of_crontab_fires_at_the_same_minutes(arguments: dict):
    cron = from_crontab(arguments).cron
    days = 400 if arguments.get("hour") is not None else 3
    assert minutes_of(cron, days) == expected(arguments, days)
    assert len(cron) <= 100


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"day_of_month": "1-7", "day_of_week": "mon"}, "both restricted"),
        ({"minute": 99}, "does not understand"),
        ({"minute": "x"}, "does not understand"),
        ({"second": 3}, "no field second"),
        ({"minute": 0, "hour": 0, "day_of_month": 31, "month_of_year": 2}, "never occurs"),
    ],
)
def test_what_cron_cannot_say(arguments: dict, why: str):
    with pytest.raises(Inexpressible, match=why):
        from_crontab(arguments)


@pytest.mark.parametrize(("seconds", "minutes"), [(60, 1), (600.0, 10), (86_400, 1440)])
def test_intervals(seconds: float, minutes: int):
    assert from_seconds(seconds).minutes == minutes


@pytest.mark.parametrize("seconds", [0, -1, 30, 90, 0.5, 60 * 40_000])
def test_intervals_that_cannot_be_said(seconds: float):
    with pytest.raises(Inexpressible):
        from_seconds(seconds)


BROKEN = [
    5,
    {"model": 3},
    {"model": "django_celery_beat.intervalschedule", "pk": 1, "fields": {"every": "two"}},
    {"model": "django_celery_beat.crontabschedule", "pk": 1, "fields": {}},
    {"model": "django_celery_beat.periodictask", "pk": 1, "fields": None},
    {
        "model": "django_celery_beat.periodictask",
        "pk": 2,
        "fields": {"name": "interval", "task": "a.send", "interval": 1, "args": "{"},
    },
    {
        "model": "django_celery_beat.periodictask",
        "pk": 3,
        "fields": {"name": "lost", "task": "a.send", "crontab": 7},
    },
    {
        "model": "django_celery_beat.periodictask",
        "pk": 4,
        "fields": {"name": "once", "task": "a.send", "clocked": 1, "one_off": True},
    },
]


def test_an_export_with_rows_that_are_none(tmp_path: Path, capsys):
    (tmp_path / "a.py").write_text(
        "from celery import shared_task\n\n\n@shared_task\ndef send():\n    pass\n"
    )
    (tmp_path / "dump.json").write_text(json.dumps(BROKEN))
    assert main(["schedules", str(tmp_path)]) == 1
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["schedules"]}
    assert set(rows) == {"interval", "lost", "once"}
    assert "every two None, is none. its args are no JSON" in rows["interval"]["problem"]
    assert "not in the export" in rows["lost"]["problem"]
    assert "clocked schedule" in rows["once"]["problem"] and "once only" in rows["once"]["problem"]


def test_a_crontab_from_a_text(tmp_path: Path, capsys):
    (tmp_path / "a.py").write_text(
        "from celery import Celery, shared_task\nfrom celery.schedules import crontab\n\n"
        "app = Celery('a')\nTIMES = '30 4 1-7 * *'\n\n\n@shared_task\ndef send():\n    pass\n\n\n"
        "app.conf.beat_schedule = {\n"
        "    'good': {'task': 'a.send', 'schedule': crontab.from_string('0 4 * * mon')},\n"
        "    'named': {'task': 'a.send', 'schedule': crontab.from_string(TIMES)},\n"
        "    'short': {'task': 'a.send', 'schedule': crontab.from_string('0 4')},\n}\n"
    )
    assert main(["schedules", str(tmp_path)]) == 1
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["schedules"]}
    assert rows["good"]["cron"] == "0 4 * * 1" and rows["good"]["same"] is True
    assert rows["named"]["cron"] == "30 4 1-7 * *"
    assert "cannot be read" in rows["short"]["problem"]


def test_compact():
    assert compact(set(range(60)), 0, 59) == "*"
    assert compact({0, 20, 40}, 0, 59) == "*/20"
    assert compact({1, 2, 3, 7, 8}, 0, 59) == "1-3,7,8"


@pytest.mark.parametrize("zone", ["UTC", "Europe/Paris", "Asia/Kolkata"])
def test_next_firing_times_are_the_same_where_the_clock_is_not_changed(zone: str):
    start = datetime(2026, 6, 1, 12, 34, 56, tzinfo=UTC)
    for arguments in FORMS:
        timing = from_crontab(arguments)
        count = 3 if "month_of_year" in arguments else 10
        assert celery_times(timing, start, zone, count) == q_times(timing, start, zone, count), (
            arguments
        )


DUMP = [
    {
        "model": "django_celery_beat.crontabschedule",
        "pk": 1,
        "fields": {
            "minute": "0",
            "hour": "5",
            "day_of_week": "*",
            "day_of_month": "*",
            "month_of_year": "*",
            "timezone": "Asia/Kolkata",
        },
    },
    {
        "model": "django_celery_beat.intervalschedule",
        "pk": 1,
        "fields": {"every": 2, "period": "hours"},
    },
    {
        "model": "django_celery_beat.periodictask",
        "pk": 1,
        "fields": {"name": "zoned", "task": "shop.tasks.send", "crontab": 1, "args": "[1]"},
    },
    {
        "model": "django_celery_beat.periodictask",
        "pk": 2,
        "fields": {"name": "off", "task": "shop.tasks.send", "interval": 1, "enabled": False},
    },
    {
        "model": "django_celery_beat.periodictask",
        "pk": 3,
        "fields": {"name": "lost", "task": "shop.tasks.gone", "solar": 1},
    },
]


def test_the_command_reads_code_and_an_export(tmp_path: Path, capsys):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").write_text("")
    (tmp_path / "shop" / "tasks.py").write_text(
        "from celery import shared_task\n\n\n@shared_task\ndef send(order=1):\n    pass\n"
    )
    (tmp_path / "shop" / "celery.py").write_text(
        "from datetime import timedelta\n\nfrom celery import Celery\n\napp = Celery('shop')\n"
        "HOURS = 2\n\n\n@app.on_after_configure.connect\ndef setup(sender, **kwargs):\n"
        "    from shop.tasks import send\n\n"
        "    sender.add_periodic_task(timedelta(hours=HOURS), send.s(3), name='code')\n"
    )
    (tmp_path / "beat.json").write_text(json.dumps(DUMP))
    assert main(["schedules", str(tmp_path)]) == 1
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["schedules"]}
    assert rows["code"]["minutes"] == 120 and rows["code"]["args"] == "(3,)"
    assert rows["code"]["same"] is True and len(rows["code"]["django_q_next"]) == 10
    assert rows["zoned"]["same"] is False and "Asia/Kolkata" in rows["zoned"]["why"]
    assert rows["off"]["repeats"] == 0
    assert "solar" in rows["lost"]["problem"] and "shop.tasks.gone" in rows["lost"]["problem"]
    assert main(["schedules", str(tmp_path), "--format", "python"]) == 1
    assert 'Row(name="code", func="shop.tasks.send", minutes=120, args=(3,)),' in (
        capsys.readouterr().out
    )


def test_an_entry_of_several_lines_becomes_a_comment_of_one(tmp_path: Path):
    """And a method of a project's own with beat's name is no schedule."""
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "__init__.py").write_text("")
    (shop / "tasks.py").write_text(
        "from celery import shared_task\nfrom celery.schedules import crontab\n"
        "from shop.celery import app\n\n\n@shared_task\ndef send():\n    pass\n\n\n"
        "@app.on_after_finalize.connect\ndef setup(sender, **kwargs):\n"
        "    sender.add_periodic_task(crontab(minute=5), send.s(), name='a \"b\" \\'c\\'')\n"
        "    sender.add_periodic_task(\n        often(\n            3\n        ), send.s()\n"
        "    )\n\n\nclass Rows:\n    def add_periodic_task(self, name):\n        pass\n\n"
        "    def run(self):\n        self.add_periodic_task('mine')\n"
    )
    (shop / "celery.py").write_text("from celery import Celery\n\napp = Celery('shop')\n")
    (shop / "settings.py").write_text("INSTALLED_APPS = ['shop']\n")
    main(["convert", str(tmp_path), "--write"])
    text = (shop / "management/commands/setup_schedules.py").read_text()
    compile(text, "setup_schedules.py", "exec")
    assert "often( 3 )" in text and "mine" not in text
    assert "name=" + repr("a \"b\" 'c'") in text
