"""The whole product under one process: services, web, workers, beat, and the demo in front."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from embedded import services
from embedded.environment import foreground_environment, process_environment
from embedded.errors import EmbeddedError
from embedded.owner import ROOT, Owner, choose_owner, require_reachable
from embedded.processes import (
    Child,
    Program,
    adopt_orphans,
    log_tail,
    reap_orphans,
    stop_descendants,
)
from embedded.programs import application_programs, management_program, prepare_program
from embedded.staging import end_leftovers, stage_input

TICK_SECONDS = 0.2
FIRST_PAGE_SECONDS = 120.0
PAGE_SECONDS = 2.0
TOO_MANY_CRASHES = 3
STEADY_SECONDS = 60.0  # a child alive this long has recovered
LONGEST_BACKOFF_SECONDS = 30.0
TRAINING_GRACE_SECONDS = 15.0  # a trainer writes its checkpoint on SIGTERM


@dataclass(frozen=True)
class Options:
    """What the command line of `up` says; `command` replaces the demo command in front."""

    var: Path
    host: str = "127.0.0.1"
    port: int = 8000
    headless: bool = False
    data: Path | None = None
    command: Sequence[str] = ()

    @property
    def address(self) -> str:
        """The address to open in a browser."""
        host = reachable_host(self.host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"


@dataclass
class Watched:
    """A child that is started again when it ends, later each time."""

    child: Child
    started: float = field(default_factory=time.monotonic)
    failures: int = 0
    due: float = 0.0

    def watch(self, now: float) -> None:
        """Notice an end, and start again when the pause is over."""
        if self.child.running():
            if now - self.started > STEADY_SECONDS:
                self.failures = 0
        elif not self.due:
            self.child.end_group()
            pause = min(0.5 * 2**self.failures, LONGEST_BACKOFF_SECONDS)
            self.failures += 1
            self.due = now + pause
            say(f"{self.child.program.name} ended unexpectedly; starting it again in {pause:g} s.")
        elif now >= self.due:
            self.due = 0.0
            self.started = now
            self.child.start()


def up(options: Options) -> int:
    """Start everything, run the demo in the foreground, stay until stopped; returns the status."""
    began = time.monotonic()
    listener = listen(options.host, options.port)
    data = existing_file(options.data)
    owner = choose_owner(options.var)
    for path in (ROOT / "manage.py", Path(sys.executable), Path(sys.base_prefix)):
        require_reachable(owner, path)
    adopt_orphans()
    with listener, stop_by_signal():
        running = services.start(options.var)
        try:
            end_leftovers(options.var)
            say(f"PostgreSQL {running.postgres.binaries.major} and Redis run under {options.var}.")
            return Supervisor(options, running, listener).run(stage_input(data, running), began)
        except KeyboardInterrupt:
            say("Stopping.")
            return 0 if not options.headless else 130
        finally:
            ignore_signals()
            running.stop()
            stop_descendants(TRAINING_GRACE_SECONDS)


class Supervisor:
    """The children of one run, from the first migration to the last stop."""

    def __init__(
        self, options: Options, running: services.Services, listener: socket.socket
    ) -> None:
        self.options = options
        self.services = running
        self.owner: Owner = running.owner
        self.environment = process_environment(running, options.host)
        self.listener = listener
        self.watched = [Watched(running.postgres.child), Watched(running.redis.child)]
        self.application: list[Child] = []
        self.foreground: Child | None = None

    def run(self, data: Path | None, began: float) -> int:
        """Prepare the database, start the application, run the demo, wait for the end."""
        try:
            self.prepare_application()
            web, *workers = application_programs(self.services, self.environment, self.listener)
            self.start_application([web])
            self.wait_for_page()
            seconds = time.monotonic() - began
            say(f"The first page came after {seconds:.1f} s: {self.options.address}")
            self.start_application(workers)
            demo = ["demo", "--url", self.options.address.rstrip("/")]
            demo += ["--data", str(data)] if data else []
            status = self.run_in_foreground(self.options.command or demo)
            if not self.options.headless:
                self.stay(status)
            return status
        finally:
            ignore_signals()
            self.stop()

    def prepare_application(self) -> None:
        """Bring the database and the static files to this version."""
        child = Child(prepare_program(self.services, self.environment))
        child.start()
        while not child.wait(TICK_SECONDS):
            pass
        if child.process is None or child.process.returncode != 0:
            log = child.program.log or Path()
            raise EmbeddedError(f"The database was not prepared: {log_tail(log)} (see {log})")

    def start_application(self, programs: Sequence[Program]) -> None:
        """Start programs and look after them from now on."""
        for program in programs:
            child = Child(program)
            child.start()
            self.application.append(child)
            self.watched.append(Watched(child))

    def wait_for_page(self) -> None:
        """Wait until the web process answers a request."""
        deadline = time.monotonic() + FIRST_PAGE_SECONDS
        status = 0
        while not status and time.monotonic() < deadline and self.crashes() < TOO_MANY_CRASHES:
            self.tick()
            status = page_status(reachable_host(self.options.host), self.options.port)
            time.sleep(0 if status else TICK_SECONDS)
        if not 0 < status < 500:
            log = self.services.var / "log" / "web.log"
            told = f"answers with status {status}" if status else "does not answer"
            raise EmbeddedError(f"The web process {told}: {log_tail(log)} (see {log})")

    def crashes(self) -> int:
        """How often the child that ended most often did so lately."""
        return max(watched.failures for watched in self.watched)

    def run_in_foreground(self, arguments: Sequence[str]) -> int:
        """Run a management command on the terminal while watching the others."""
        environment = foreground_environment(self.environment)
        program = management_program(self.services, environment, arguments)
        self.foreground = Child(program)
        self.foreground.start()
        while not self.foreground.wait(TICK_SECONDS):
            self.tick()
        process = self.foreground.process
        status = process.returncode if process else 1
        return status if status >= 0 else 128 - status

    def stay(self, status: int) -> None:
        """Keep everything running until a signal comes."""
        if status:
            say(f"The command in front failed with status {status}; the pages stay up.")
        say(f"Tandem runs at {self.options.address} — Ctrl-C stops it.")
        while True:
            self.tick()
            time.sleep(TICK_SECONDS)

    def tick(self) -> None:
        """Look after the children once."""
        now = time.monotonic()
        for watched in self.watched:
            watched.watch(now)
        reap_orphans(self.own_processes())

    def own_processes(self) -> set[int]:
        """The processes whose end their `Child` waits for."""
        children = [watched.child for watched in self.watched]
        children += [self.foreground] if self.foreground else []
        return {child.process.pid for child in children if child.process}

    def stop(self) -> None:
        """Stop everything but the services: all are asked at once, then waited for."""
        children = [*self.application, *([self.foreground] if self.foreground else [])]
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.stop()
        keep = {
            child.process.pid
            for child in (self.services.postgres.child, self.services.redis.child)
            if child.process
        }
        stop_descendants(TRAINING_GRACE_SECONDS, keep)


def listen(host: str, port: int) -> socket.socket:
    """Open the port before anything is started, so that a busy one costs nothing."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        why = getattr(error, "strerror", None) or error
        raise EmbeddedError(
            f"Port {port} on {host} cannot be used ({why}). Choose another: make demo "
            f"PORT={port + 1 if port < 65535 else 8001}"
        ) from None
    listener.listen(128)
    return listener


def reachable_host(host: str) -> str:
    """An address of this machine that reaches a server bound to `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)  # noqa: S104


def page_status(host: str, port: int) -> int:
    """The status of `GET /`; 0 where there is no answer."""
    connection = http.client.HTTPConnection(host, port, timeout=PAGE_SECONDS)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def existing_file(path: Path | None) -> Path | None:
    """The absolute path of the data file; refused where there is no such file."""
    if path is not None and not path.is_file():
        raise EmbeddedError(f"There is no file {path}. DATA must name a file that exists.")
    return path.absolute() if path else None


def say(line: str) -> None:
    """One line on the terminal."""
    print(line, flush=True)


@contextlib.contextmanager
def stop_by_signal() -> Iterator[None]:
    """Make SIGTERM and a closed terminal end the program as Ctrl-C does."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def ignore_signals() -> None:
    """Let nothing interrupt the orderly stop, which takes bounded time."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
