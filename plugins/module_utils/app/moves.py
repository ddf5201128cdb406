# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""The table of moved messages, which makes a move safe to repeat, and the names of tasks.

A row of `cutover_moved` and the row of Django-Q's queue are written in one transaction; a message
whose row is there already is not stored again. The run is part of the key, because a message that
went over and back goes over once more in the next run.
"""

from __future__ import annotations

TABLE = "cutover_moved"
CREATE_TABLE = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (
    run_id text NOT NULL,
    celery_id text NOT NULL,
    task text NOT NULL,
    queue text NOT NULL,
    outcome text NOT NULL,
    eta timestamptz,
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, celery_id)
)"""
NAMES_FILE = "celery_task_names.json"


def task_names() -> dict[str, str]:
    """{Celery's task name: dotted path} from the file beside the settings; {} without one.

    Raises:
        SystemExit: the file is no such dictionary.
    """
    import importlib
    import json
    import os
    from pathlib import Path

    settings = importlib.import_module(os.environ["DJANGO_SETTINGS_MODULE"])
    folder = Path(settings.__file__).parent
    for place in (folder, folder.parent):
        path = place / NAMES_FILE
        if path.is_file():
            names = json.loads(path.read_text(encoding="utf-8"))
            if not all(isinstance(item, str) for pair in names.items() for item in pair):
                raise SystemExit(
                    f"{path} must map Celery's task names to dotted paths, both texts."
                )
            return names
    return {}
