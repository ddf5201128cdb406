"""What `POST /tasks/` accepts."""

import json

from django.test import SimpleTestCase

from tasks_api.submission import MAX_BODY_BYTES, InvalidSubmission, Submission, parse

TASKS = ("app.tasks.one", "app.tasks.two")
QUEUES = ("gis", "default")

REFUSED = {
    "no JSON": (b"{", "must be JSON"),
    "not UTF-8": (b'{"uid": "\xff"}', "must be JSON"),
    "too long": (b" " * (MAX_BODY_BYTES + 1), "must not exceed"),
    "a list": (b"[]", "must be a JSON object"),
    "an unknown key": ({"eta": 1}, "Unknown keys: eta"),
    "no uid": ({"uid": None}, "uid must be"),
    "an empty uid": ({"uid": ""}, "uid must be"),
    "a uid that no database stores": ({"uid": "a\0"}, "uid must be"),
    "half a character as uid": ({"uid": "\ud800"}, "uid must be"),
    "a uid without end": ({"uid": "a" * 201}, "uid must be"),
    "a task from elsewhere": ({"task": "os.system"}, "task must be one of: app.tasks.one"),
    "a task that is a list": ({"task": ["app.tasks.one"]}, "task must be one of"),
    "a queue that nobody serves": ({"queue": "celery"}, "queue must be one of: default, gis"),
    "arguments by name": ({"args": {"a": 1}}, "args must be a list"),
    "a text for a number": ({"seconds": "1"}, "seconds must be a number"),
    "true for a number": ({"seconds": True}, "seconds must be a number"),
    "not a number": (b'{"uid": "a", "task": "app.tasks.one", "seconds": NaN}', "seconds must be"),
    "an infinite number": ({"countdown": 1e999}, "countdown must be a number"),
    "the past": ({"countdown": -1}, "countdown must be 0 to"),
    "next year": ({"countdown": 3e7}, "countdown must be 0 to"),
}


class ParseTests(SimpleTestCase):
    """`parse` takes what is right and says what is wrong."""

    def test_the_least(self):
        body = b'{"uid": "a-1", "task": "app.tasks.one"}'
        self.assertEqual(parse(body, TASKS, QUEUES), Submission(uid="a-1", task="app.tasks.one"))

    def test_everything(self):
        given = {
            "uid": "a-1",
            "task": "app.tasks.two",
            "args": [1, "x"],
            "seconds": 2,
            "countdown": 0.5,
            "queue": "gis",
        }
        self.assertEqual(parse(json.dumps(given).encode(), TASKS, QUEUES), Submission(**given))

    def test_refusals(self):
        for name, (given, sentence) in REFUSED.items():
            body = given
            if isinstance(given, dict):
                body = json.dumps({"uid": "a-1", "task": "app.tasks.one", **given}).encode()
            with self.subTest(name), self.assertRaisesRegex(InvalidSubmission, sentence):
                parse(body, TASKS, QUEUES)
