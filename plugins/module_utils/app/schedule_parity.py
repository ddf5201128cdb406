# Copyright: the cutover.django_q maintainers
# Apache License 2.0 (see LICENSE or https://www.apache.org/licenses/LICENSE-2.0)
"""Compares Django-Q's schedules with what ran before: beat's entries and Django-Q's own rows.

What beat would do is computed from the documented sets of its crontabs, what Django-Q will do by
Django-Q's own code, so that neither side's arithmetic is trusted for the other. It runs at any
time after the hand-over, days later too.

Params:
    entries: beat's entries as `celery_state` documented them; [] without Celery before.
    beat_stopped_at: RFC 3339, when beat ended; "" where that is not known.
    native: the rows of Schedule as `django_q_state` documented them before the migration.
    accepted: names of entries whose differences the operator accepted.
    count: how many firing times are compared.
    tolerance: seconds by which an interval's phase may differ (beat's own drifts).
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

READS_ONLY = True

# What people define of a row; `repeats` and `next_run` go on by themselves.
DEFINED = ("func", "schedule_type", "cron", "minutes", "args", "kwargs", "cluster", "hook")
# The length of Django-Q's field for a schedule's name; django-celery-beat's holds 200.
NAME_LENGTH = 100


def problem(name: str, found: str, expected: str, fix: str) -> dict:
    """One finding about the schedule `name`, in the form of the preflight's."""
    return {
        "id": "schedule_parity",
        "level": "error",
        "found": f"schedule {name!r}: {found}",
        "expected": expected,
        "fix": fix,
    }


def shown(moments: list) -> str:
    """Moments as text, in UTC."""
    return ", ".join(moment.strftime("%Y-%m-%d %H:%M:%SZ") for moment in moments) or "never"


def beats_own(entry: dict) -> str:
    """An entry of beat as people would write it."""
    if entry["cron"]:
        return f"cron {entry['cron']} in {entry['timezone']}"
    if entry["minutes"]:
        return f"every {entry['minutes']} min"
    return " ".join(str(entry["spec"]).split())


def as_utc(moment: datetime) -> datetime:
    """A moment in UTC; one without a zone is local time, as Django has it with USE_TZ off."""
    return moment.astimezone(timezone.utc)


def firings(next_run: datetime, step, repeats: int, after: datetime, count: int) -> list:
    """The next `count` moments after `after` at which Django-Q fires a row.

    Args:
        next_run: when it fires next; in the past it fires at once, which is not counted.
        step: the moment after a given one, by Django-Q's rules; None for a row that fires once.
        repeats: Schedule.repeats: 0 is parked, below 0 without end.
    """
    moment, left = as_utc(next_run), repeats
    if moment <= after and left and step is not None:
        left -= 1
        while moment <= after:
            moment = as_utc(step(moment))
    found: list[datetime] = []
    while left and moment > after and len(found) < count:
        found.append(moment)
        left -= 1
        if step is None:
            break
        moment = as_utc(step(moment))
    return found


def expected_firings(entry: dict, after: datetime, count: int) -> list:
    """The next moments after `after` at which beat would have fired an entry.

    Raises:
        ValueError: the entry is neither a crontab nor an interval.
    """
    from zoneinfo import ZoneInfo

    from ansible_collections.cutover.django_q.plugins.module_utils.app import firing_times

    if entry["kind"] == "crontab":
        sets = {name: set(values) for name, values in entry["sets"].items()}
        return firing_times.local_firings(sets, ZoneInfo(entry["timezone"]), after, count)
    if entry["kind"] == "interval" and entry["minutes"]:
        seconds = entry["minutes"] * 60
        last = datetime.fromisoformat(entry["next"][0]) - timedelta(seconds=seconds)
        return firing_times.interval_firings(seconds, last, after, count)
    raise ValueError(entry["problem"] or f"a schedule of the kind {entry['kind']!r}")


def counted_from(entry: dict, last: datetime | None) -> dict:
    """An interval's entry, its next firing counted from beat's last one where that is known.

    What was documented before the migration may be long past, and a beat that was started anew
    since has counted anew.
    """
    if last is None or entry["kind"] != "interval" or not entry["minutes"]:
        return entry
    following = as_utc(last) + timedelta(minutes=entry["minutes"])
    return {**entry, "next": [following.isoformat()]}


def same_phase(expected: list, found: list, seconds: float, tolerance: float) -> bool:
    """Whether two lists of firing times of one interval agree.

    Either may have just passed a moment that the other still has before it, so that phases are
    compared, and the first firing must be no further away than one interval.
    """
    if not expected or len(found) != len(expected):
        return False
    steps = {(after - before).total_seconds() for before, after in zip(found, found[1:])}
    distance = (found[0] - expected[0]).total_seconds()
    phase = distance % seconds
    return (
        steps <= {seconds}
        and min(phase, seconds - phase) <= tolerance
        and abs(distance) <= seconds + tolerance
    )


def compare_entry(
    entry: dict, row: dict | None, now: datetime, count: int, tolerance: float
) -> dict:
    """One of beat's entries against the row that stands for it.

    Args:
        row: {name, repeats, type, firings (datetimes), …} or None.

    Returns:
        {name, status, note, problem}: status is same, parked or different.
    """
    name = entry["name"]
    result = {"name": name, "status": "same", "note": "", "problem": None}

    def different(found: str, expected: str, fix: str) -> dict:
        return {**result, "status": "different", "problem": problem(name, found, expected, fix)}

    if row is None:
        wanted = "parked" if not entry["enabled"] else "that fires"
        return different(
            "no row of Schedule has this name",
            f"a row {wanted}, as beat's entry ({beats_own(entry)})",
            "Let setup_schedules make it, or accept its absence in verify_accept_schedules.",
        )
    if not entry["enabled"]:
        if row["repeats"] == 0:
            return {**result, "status": "parked", "note": "disabled before, parked now"}
        return different(
            f"repeats={row['repeats']}: it fires",
            "repeats=0: it was disabled before",
            "Set its repeats to 0.",
        )
    if row["repeats"] == 0:
        return different(
            "repeats=0: it is parked",
            "it fires: it was enabled before",
            "Let the hand-over of beat's schedule end (migrate.yml again), or set repeats to -1.",
        )
    try:
        expected = expected_firings(entry, now, count)
    except ValueError as error:
        return different(
            f"beat's entry cannot be compared: {error}",
            "a crontab or an interval of whole minutes",
            "Accept it by name in verify_accept_schedules.",
        )
    if entry["kind"] == "interval":
        same = same_phase(expected, row["firings"], entry["minutes"] * 60, tolerance)
    else:
        same = expected == row["firings"]
    if same:
        return result
    return different(
        f"fires next at {shown(row['firings'][:3])} ({row['spec']})",
        f"{shown(expected[:3])}, as beat did ({beats_own(entry)})",
        "Correct the row, or accept the difference in verify_accept_schedules.",
    )


def compare_native(before: dict, row: dict | None, now: datetime) -> dict | None:
    """A row that was Django-Q's own before against what it is now: a problem or None.

    A row that fires once is gone after it has; a bounded one has fewer repeats left.
    """
    name = before["name"] or f"id {before['id']}"
    next_run = before.get("next_run") and as_utc(datetime.fromisoformat(str(before["next_run"])))
    due = next_run is None or next_run <= now
    if row is None:
        if before["schedule_type"] == "O" and before["repeats"] < 0 and due:
            return None
        return problem(name, "the row is gone", "as it was: nobody's business", "Put it back.")
    changed = [key for key in DEFINED if (row[key] or None) != (before.get(key) or None)]
    if row["repeats"] != before["repeats"]:
        used = before["repeats"] > row["repeats"] >= 0
        once = before["schedule_type"] == "O" and due and row["repeats"] == 0
        if not used and not once:
            changed.append("repeats")
    if not changed:
        return None
    return problem(
        name,
        ", ".join(f"{key}={row[key]!r}" for key in changed),
        ", ".join(f"{key}={before.get(key)!r}" for key in changed) + ", as before the migration",
        "Put it back; look whether setup_schedules of the target means to change it.",
    )


def find_row(entry: dict, rows: list[dict]) -> dict | None:
    """The row that stands for an entry: by its name, in the length that the field keeps."""
    for row in rows:
        if row["name"] and row["name"] == entry["name"][:NAME_LENGTH]:
            return row
    return None


def compare(params: dict, rows: list[dict], now: datetime, dropped: set[str]) -> dict:
    """All entries and native rows against the rows of now.

    Args:
        dropped: Celery's tasks that have no meaning without Celery.

    Returns:
        {schedules: [{name, status, note}], problems: [...]}; a row's defects are problems too,
        since one of them stops the scheduler for all.
    """
    schedules, problems = [], []
    mapped = set()
    for entry in params["entries"]:
        row = find_row(entry, rows)
        if entry["task"] in dropped and row is None:
            note = f"{entry['task']} has no meaning without Celery"
            schedules.append({"name": entry["name"], "status": "dropped", "note": note})
            continue
        mapped.add(row["id"] if row else None)
        result = compare_entry(entry, row, now, params["count"], params["tolerance"])
        found = result.pop("problem")
        if found and entry["name"] in params["accepted"]:
            result.update(
                status="accepted", note=f"{found['found']}; expected: {found['expected']}"
            )
        elif found:
            problems.append(found)
        schedules.append(result)
    by_id = {row["id"]: row for row in rows}
    # A native row that beat had too belongs to beat's entry now.
    for before in params["native"]:
        if before["id"] in mapped:
            continue
        found = compare_native(before, by_id.get(before["id"]), now)
        name = before["name"] or f"id {before['id']}"
        status = "native, different" if found else "native, as it was"
        schedules.append({"name": name, "status": status, "note": ""})
        if found:
            problems.append(found)
    known = mapped | {before["id"] for before in params["native"]}
    for row in rows:
        if row["id"] not in known:
            name = row["name"] or f"id {row['id']}"
            schedules.append({"name": name, "status": "new", "note": row["spec"]})
        if row["repeats"] != 0 and row["defect"]:
            problems.append(
                problem(
                    row["name"] or f"id {row['id']}",
                    row["defect"],
                    "a row that Django-Q can run: one that it cannot silently stops all of them",
                    "Correct it, or park it with repeats=0.",
                )
            )
    return {"schedules": schedules, "problems": problems}


def defect(row) -> str:
    """Why Django-Q cannot run a row of Schedule; "" when it can."""
    import ast
    import pydoc

    try:
        if pydoc.locate(row.func) is None:
            return f"its function {row.func} does not exist"
    except pydoc.ErrorDuringImport as error:
        return f"its function {row.func} cannot be imported: {error}"
    try:
        if row.args:
            ast.literal_eval(row.args)
    except (SyntaxError, ValueError):
        return f"its arguments are no literals: {row.args}"
    try:
        if row.kwargs:
            ast.literal_eval(row.kwargs)
    except (SyntaxError, ValueError):
        try:
            call = ast.parse(f"f({row.kwargs})").body[0].value
            for keyword in call.keywords:
                ast.literal_eval(keyword.value)
        except (SyntaxError, ValueError):
            return f"its keyword arguments are no literals: {row.kwargs}"
    if row.schedule_type == row.CRON:
        from croniter import croniter

        if not croniter.is_valid(row.cron or ""):
            return f"its cron expression {row.cron!r} is not valid"
    return ""


def stepper(row):
    """Django-Q's own way from one firing of a row to the next; None for one that fires once."""
    if row.schedule_type == row.ONCE:
        return None
    if row.schedule_type != row.CRON:
        return row.calculate_next_run
    from croniter import croniter
    from django_q.utils import localtime

    # Schedule.calculate_next_run starts at the present moment whatever it is given: the same
    # call, from the moment of the firing.
    return lambda moment: croniter(row.cron, localtime(moment)).get_next(datetime)


def read_rows(count: int) -> tuple[list[dict], datetime]:
    """Every row of Schedule with its next firings, and the moment that these are counted from.

    The moment is taken after the rows are read: a row that fires in between has then moved on in
    neither of both.
    """
    from django_q.models import Schedule

    found = list(Schedule.objects.order_by("id"))
    now = datetime.now(timezone.utc)
    rows = []
    for row in found:
        spec = {"C": f"cron {row.cron}", "I": f"every {row.minutes} min"}
        wrong = defect(row)
        able = row.repeats != 0 and row.next_run and not wrong
        rows.append(
            {
                "id": row.pk,
                "name": row.name,
                "repeats": row.repeats,
                "spec": spec.get(row.schedule_type, row.get_schedule_type_display()),
                "defect": wrong,
                "firings": firings(row.next_run, stepper(row), row.repeats, now, count)
                if able
                else [],
                **{key: getattr(row, key) for key in DEFINED},
            }
        )
    return rows, now


def run(params: dict) -> dict:
    """See the module's docstring.

    Returns:
        {schedules: [{name, status, note}], problems: [{id, level, found, expected, fix}], rows:
        [{name, func, spec, repeats, next: [UTC]}], now}
    """
    from ansible_collections.cutover.django_q.plugins.module_utils.app import (
        schedules,
        schedules_hand_over,
    )

    known = schedules_hand_over.last_runs()
    stopped = params["beat_stopped_at"]
    stopped = schedules_hand_over.moment(stopped) if stopped else None
    entries = [
        counted_from(entry, known.get(entry["name"]) or stopped) for entry in params["entries"]
    ]
    rows, now = read_rows(params["count"])
    result = compare({**params, "entries": entries}, rows, now, schedules.DROPPED_TASKS)
    result["now"] = now.isoformat()
    result["rows"] = [
        {
            "name": row["name"] or f"id {row['id']}",
            "func": row["func"],
            "spec": row["spec"],
            "repeats": row["repeats"],
            "next": [moment.isoformat() for moment in row["firings"]],
        }
        for row in rows
    ]
    return result
