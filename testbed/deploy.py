"""The sample application in a host, as its people would have deployed it: from a git checkout."""

from __future__ import annotations

import secrets

from testbed import hosts, refs
from testbed.console import TestbedError, run, say, wait_until

ORIGIN = "/srv/git/air_risk.git"
PROJECT = "/srv/air_risk"
#: Says, in the host, that the first deployment came to its end.
DEPLOYED = f"{PROJECT}/.git/testbed-deployed"
STATE = "/var/lib/cutover/air_risk"
HEALTH = "http://127.0.0.1:8000/health/"
BEAT_TABLE = "django_celery_beat_periodictask"
#: What `app.conf.beat_schedule` of the sample holds.
IN_CODE = (
    *("daily-ingestion-pipeline", "weekly-model-retraining"),
    *("daily-scheduled-reports", "hourly-raster-cleanup"),
)
#: Management commands that put the application's data there, in order.
PREPARATIONS = ("migrate --noinput", "seed_periodic_tasks")


def deploy(name: str, ref: str = "celery", *, fresh: bool = False) -> hosts.Host:
    """Deploy a ref of the sample application and wait until it is healthy.

    Doing it again on a host where the same ref is deployed only brings the stack up.

    Args:
        name: The host; brought up where it is not.
        ref: A branch or tag of the application's repository.
        fresh: Start from a new host in any case.

    Returns:
        The host.

    Raises:
        TestbedError: Something failed; or the host holds another ref, or has been migrated.
    """
    if fresh:
        hosts.remove(name)
    host = hosts.up(name)
    _bring_repository(host)
    _check_out(host, ref)
    _write_env(host)
    first = not host.works("test", "-e", DEPLOYED)
    if first:
        host.run_shown("building the application's image", *_compose(host, "build", "--quiet"))
        host.run_shown("starting its database and broker", *_up(host, "db", "redis"))
        for preparation in PREPARATIONS:
            say(f"python manage.py {preparation}")
            one_off = ("run", "--rm", "--no-deps", "web", "python", "manage.py")
            host.run(*_compose(host, *one_off, *preparation.split()))
    host.run_shown("starting the stack", *_up(host))
    wait_until(
        "web to be healthy", lambda: host.works("curl", "-fsS", HEALTH), timeout=60, interval=0.2
    )
    if first:
        _await_beat(host)
        _prove_no_restarts(host)
        host.run("touch", DEPLOYED)
    say(f"{name}: air_risk ({ref}) answers on {HEALTH} inside")
    return host


def _compose(host: hosts.Host, *arguments: str) -> tuple[str, ...]:
    return host.compose(PROJECT, *arguments)


def _up(host: hosts.Host, *services: str) -> tuple[str, ...]:
    options = ("--detach", "--no-build", "--wait", "--wait-timeout", "180")
    return _compose(host, "up", *options, *services)


def _bring_repository(host: hosts.Host) -> None:
    """Put the application's bare repository into the host, where its origin is."""
    bare = refs.ensure()
    host.run("mkdir", "-p", "/srv/git")
    host.run("rm", "-rf", f"{ORIGIN}.new")
    run(["docker", "cp", "--quiet", str(bare), f"{host.name}:{ORIGIN}.new"])
    host.run("sh", "-c", f"rm -rf {ORIGIN} && mv {ORIGIN}.new {ORIGIN}")


def _check_out(host: hosts.Host, ref: str) -> None:
    if host.works("test", "-e", STATE):
        raise TestbedError(
            f"{host.name} has been migrated, or is being; deploy --fresh starts from a new host"
        )
    if not host.works("test", "-e", f"{PROJECT}/.git/HEAD"):
        host.run("rm", "-rf", PROJECT, f"{PROJECT}.new")
        host.run("git", "clone", "--quiet", ORIGIN, f"{PROJECT}.new")
        # The branch, where it stands at the ref, is what people have checked out.
        if _commit(host, "HEAD", f"{PROJECT}.new") != _commit(host, ref, f"{PROJECT}.new"):
            host.run("git", "-C", f"{PROJECT}.new", "checkout", "--quiet", ref)
        host.run("mv", f"{PROJECT}.new", PROJECT)
    elif not host.works("test", "-e", DEPLOYED):
        host.run("git", "-C", PROJECT, "fetch", "--quiet", "--tags", "--force")
        host.run("git", "-C", PROJECT, "checkout", "--quiet", "--force", ref)
    elif _commit(host, "HEAD", PROJECT) != _commit(host, ref, ORIGIN):
        raise TestbedError(
            f"{host.name} holds another state than {ref}; deploy --fresh starts from a new host"
        )


def _commit(host: hosts.Host, ref: str, repository: str) -> str:
    return host.run("git", "-C", repository, "rev-parse", "--verify", f"{ref}^{{commit}}")


def _write_env(host: hosts.Host) -> None:
    """Make `.env` from the example, with secrets of its own."""
    if host.works("test", "-e", f"{PROJECT}/.env"):
        return
    lines = []
    for line in host.run("cat", f"{PROJECT}/.env.example").splitlines():
        name, separator, value = line.partition("=")
        if separator and value == "change-me":
            value = secrets.token_urlsafe(32)
        lines.append(f"{name}{separator}{value}")
    text = "\n".join(lines) + "\n"
    write = f"umask 077 && cat > {PROJECT}/.env.new && mv {PROJECT}/.env.new {PROJECT}/.env"
    host.run("sh", "-c", write, stdin=text)


def _await_beat(host: hosts.Host) -> None:
    """Wait until beat has brought the schedule in the code into its tables.

    It does so some time after its start; what is compared with a record of how the deployment stood
    must not be taken in between.
    """
    if "celery_beat" not in host.run(*_compose(host, "config", "--services")).split():
        return
    query = f"SELECT count(*) FROM {BEAT_TABLE} WHERE name = ANY('{{{','.join(IN_CODE)}}}')"
    script = 'exec psql -U "$POSTGRES_USER" -d "$POSTGRES_DB" -XAt -c "$1"'
    ask = _compose(host, "exec", "-T", "db", "sh", "-c", script, "sh", query)
    wait_until(
        "beat's schedule", lambda: host.run(*ask) == str(len(IN_CODE)), timeout=60, interval=0.5
    )


def _prove_no_restarts(host: hosts.Host) -> None:
    """`up --wait` calls a container healthy that dies and comes back again and again."""
    template = "{{.Name}} {{.State.Status}} {{.RestartCount}}"
    ids = host.run(*_compose(host, "ps", "--all", "--quiet")).split()
    states = host.run("docker", "inspect", "--format", template, *ids).splitlines()
    bad = [line for line in states if line.split()[1:] != ["running", "0"]]
    if bad:
        raise TestbedError(f"not running, or restarted: {'; '.join(bad)}")
