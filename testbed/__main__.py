"""Command line: ``python3 -m testbed``."""

from __future__ import annotations

import argparse
import sys

from testbed import engine, images, venv
from testbed.console import TestbedError, fail, say


def main(arguments: list[str] | None = None) -> int:
    """Run one command of the testbed; returns the exit code."""
    parser = argparse.ArgumentParser(prog="testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("setup", help="virtual environment and Docker Engine")
    options = parser.parse_args(arguments)
    try:
        if options.command == "setup":
            venv.ensure()
            engine.ensure()
            for name in (*images.STANDARD, images.HOST):
                images.ensure(name)
            say("set up")
    except TestbedError as error:
        return fail(error)
    except KeyboardInterrupt:
        print("testbed: interrupted; run it again to go on where it stopped", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
