"""`python -m embedded up | run -- COMMAND | stop`."""

from __future__ import annotations

import argparse
import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from embedded import services, supervisor
from embedded.environment import command_environment
from embedded.errors import EmbeddedError
from embedded.owner import choose_owner

STOP_SECONDS = 90.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; a failure that can be explained is one line."""
    options = parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except EmbeddedError as error:
        print(f"tandem: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"tandem: {os_error_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m embedded", description=__doc__)
    commands = parser.add_subparsers(required=True)
    up = commands.add_parser("up", help="run the whole product with the demo project")
    up.add_argument("--headless", action="store_true", help="end after the demo command")
    up.add_argument("--data", type=Path, help="a file in the interchange format")
    up.add_argument("--host", default="127.0.0.1")
    up.add_argument("--port", type=int, default=8000)
    up.set_defaults(run=run_up)
    run = commands.add_parser("run", help="run a command with PostgreSQL and Redis")
    run.add_argument("command", nargs="+")
    run.set_defaults(run=run_command)
    stop = commands.add_parser("stop", help="stop what runs on this data folder")
    stop.set_defaults(run=run_stop)
    return parser


def run_up(options: argparse.Namespace) -> int:
    """`up`: everything, until Ctrl-C or (headless) the end of the demo command."""
    for name in ("DATABASE_URL", "BROKER_URL"):
        if os.environ.get(name):
            print(f"Note: {name} is set and not used here; PostgreSQL and Redis are embedded.")
    return supervisor.up(
        supervisor.Options(
            var=services.default_var(),
            host=options.host,
            port=options.port,
            headless=options.headless,
            data=options.data,
        )
    )


def run_command(options: argparse.Namespace) -> int:
    """`run`: a command as the calling user, with services that run already or just for it."""
    var = services.default_var()
    addresses = services.running(var)
    if addresses == {}:
        raise EmbeddedError(f"Tandem is just starting on {var}; try again in a moment.")
    started = None if addresses else services.start(var)
    try:
        used = started.environment if started else addresses or {}
        environment = command_environment(used, var, choose_owner(var), dict(os.environ))
        with subprocess.Popen(options.command, env=environment) as process:
            # Ctrl-C reaches the command too; it decides, and its end ends the services.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
            return process.wait()
    finally:
        if started:
            started.stop()


def run_stop(options: argparse.Namespace) -> int:
    """`stop`: end the supervisor of this data folder and wait for it."""
    var = services.default_var()
    if services.running(var) is None:
        print(f"Nothing runs on {var}.")
        return 0
    pid = int(services.read_state(var).get("pid", 0))
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while services.running(var) is not None:
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Process {pid} did not end in {STOP_SECONDS:.0f} s.")
        time.sleep(0.1)
    print("Stopped.")
    return 0


def os_error_line(error: OSError) -> str:
    """One line for an error of the operating system."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full. Free some space and start again."
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}."


if __name__ == "__main__":
    sys.exit(main())
