"""Disposable Docker hosts with the sample application, for the demo, the tests, and to try."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from testbed import checks, demo, deploy, engine, faults, golden, hosts, images, record, saved, venv
from testbed.console import TestbedError, fail, say
from testbed.crash import matrix


def main(arguments: list[str] | None = None) -> int:
    """Run one command of the testbed; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return options.action(options) or 0
    except TestbedError as error:
        return fail(error)
    except KeyboardInterrupt:
        print("testbed: interrupted; run it again to go on where it stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m testbed", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, action, text: str, parent=commands) -> argparse.ArgumentParser:
        added = parent.add_parser(name, help=text, description=text)
        added.set_defaults(action=action)
        return added

    command("setup", _setup, "make .venv, Docker Engine and base images be there")

    host = commands.add_parser("host", help="bring hosts up and down").add_subparsers(
        required=True, metavar="ACTION"
    )
    for name, action, text in (
        ("up", _host_up, "create a host, or start the one there is"),
        ("rm", _host_rm, "remove a host with everything in it"),
        ("cut", lambda o: hosts.cut(o.name), "take a host off every network"),
        ("join", lambda o: hosts.join(o.name), "put a host back on its network"),
    ):
        command(name, action, text, host).add_argument("name")
    command("ls", lambda _: print("\n".join(hosts.names())), "list the hosts", host)

    load = command("load", _load, "bring further base images into a host")
    load.add_argument("name")
    load.add_argument("images", nargs="+", choices=sorted(images.IMAGES))

    deployment = command("deploy", _deploy, "deploy the sample application in a host")
    deployment.add_argument("name")
    deployment.add_argument("--ref", default="celery", help="git ref of it (default: %(default)s)")
    deployment.add_argument("--fresh", action="store_true", help="in a new host of the name")

    stand = command("record", _record, "write down how a deployment stands")
    stand.add_argument("name")
    stand.add_argument("path", type=Path)

    show = command("demo", _demo, "Celery to Django-Q on the host cutover-demo")
    way = show.add_mutually_exclusive_group()
    way.add_argument("--rollback", action="store_true", help="take it back to Celery")
    way.add_argument("--clean", action="store_true", help="remove its host")

    check = command("check", _check, "run the checks: all of them, or those that are named")
    check.add_argument("steps", nargs="*", metavar="STEP", help=", ".join(checks.STEPS))
    check.add_argument("--scenario", help="the one Molecule scenario to run")
    check.add_argument("--all", action="store_true", help="run the scenarios' slow tests too")

    crash = command("crash-matrix", _crash_matrix, "kill the playbooks at every task, and go on")
    crash.add_argument("--shard", default="1/1", help="i/n: every n-th cell, on a host of its own")
    crash.add_argument(
        "--sample", action="store_true", help="what CI runs: borders of phases and a few more"
    )
    crash.add_argument("--only", default="", help="cells whose name has this in it")
    crash.add_argument("--beside", type=int, default=1, help="use so many hosts side by side")
    crash.add_argument("--most", type=int, default=0, help="run so many cells now at most")
    crash.add_argument("--again", action="store_true", help="run broken cells once more")
    crash.add_argument("--markdown", type=Path, help="write the table to this file")
    crash.add_argument("--clean", action="store_true", help="remove results, hosts and states")

    command("faults", _faults, "print the outcomes of the scenario faults as a table")

    clean = command("clean", _clean, "remove all hosts and what new ones are copied from")
    clean.add_argument("--images", action="store_true", help="remove the base images as well")
    return parser


def _setup(_: argparse.Namespace) -> None:
    venv.ensure()
    engine.ensure()
    for name in (*images.STANDARD, images.HOST):
        images.ensure(name)
    say("set up: .venv, Docker Engine and base images are there")


def _host_up(options: argparse.Namespace) -> None:
    engine.ensure()
    hosts.up(options.name)
    say(f"the host {options.name} is up")


def _host_rm(options: argparse.Namespace) -> None:
    engine.ensure()
    hosts.remove(options.name)


def _load(options: argparse.Namespace) -> None:
    engine.ensure()
    golden.load(hosts.up(options.name), *options.images)


def _deploy(options: argparse.Namespace) -> None:
    engine.ensure()
    deploy.deploy(options.name, options.ref, fresh=options.fresh)


def _record(options: argparse.Namespace) -> None:
    record.write(options.name, options.path)


def _demo(options: argparse.Namespace) -> None:
    if options.clean:
        demo.clean()
    elif options.rollback:
        demo.back()
    else:
        demo.forward()


def _check(options: argparse.Namespace) -> int:
    unknown = sorted(set(options.steps) - set(checks.STEPS))
    if unknown:
        raise TestbedError(f"no check {', '.join(unknown)}; there are {', '.join(checks.STEPS)}")
    return checks.check(options.steps, options.scenario, slow=options.all)


def _crash_matrix(options: argparse.Namespace) -> int:
    if options.clean:
        engine.ensure()
        matrix.forget(matrix.PREFIX)
        return 0
    if options.sample:
        return matrix.run_sample()
    return matrix.run(
        options.shard,
        again=options.again,
        only=options.only,
        most=options.most,
        beside=options.beside,
        markdown=options.markdown,
    )


def _faults(_: argparse.Namespace) -> None:
    if not faults.OUTCOMES.is_file():
        raise TestbedError(f"no {faults.OUTCOMES}: run make molecule SCENARIO=faults first")
    print(faults.markdown(faults.OUTCOMES.read_text(encoding="utf-8")))


def _clean(options: argparse.Namespace) -> None:
    engine.ensure()
    for name in hosts.names():
        hosts.remove(name)
    saved.remove()
    golden.remove_all()
    if options.images:
        images.remove_all()


if __name__ == "__main__":
    sys.exit(main())
