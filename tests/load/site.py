"""A site to hurt: PostgreSQL and web server in processes of their own, killed and started again."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg

from embedded import services
from embedded.programs import web_command
from embedded.supervisor import listen, page_status
from tests.bench.labelling.serving import ROOT, tree

START_SECONDS = 60.0


class Site:
    """Services that commit to the disk, and gunicorn as in production on an open port."""

    def __init__(self, running: services.Services, listener: socket.socket) -> None:
        self.running = running
        self.listener = listener
        self.port = int(listener.getsockname()[1])
        self.environment = os.environ | running.environment
        self.environment |= {"DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "ERROR"}
        self.environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "platform")])
        self.web: subprocess.Popen[bytes] | None = None

    def run(self, module: str, *arguments: str) -> str:
        """Run a module of ours to its end; returns what it printed."""
        return subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    def start_web(self) -> None:
        with (self.running.var / "web.log").open("ab") as log:
            self.web = subprocess.Popen(
                [sys.executable, "-m", *web_command(self.listener.fileno())],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
                pass_fds=[self.listener.fileno()],
            )
        wait_until(lambda: 0 < page_status("127.0.0.1", self.port) < 500)

    def stop_web(self) -> None:
        """Kill it with all its workers."""
        if self.web is not None:
            kill(tree(self.web.pid))
            self.web.wait(10)
            self.web = None

    def kill_workers(self) -> None:
        """As the kernel does when memory runs out; gunicorn starts new ones."""
        assert self.web is not None
        kill([pid for pid in tree(self.web.pid) if pid != self.web.pid])

    def kill_web(self) -> None:
        """The whole web server, started again on the same port as the supervisor would."""
        self.stop_web()
        self.start_web()

    def kill_database(self) -> None:
        """Postmaster and all its children at once, started again as the supervisor would."""
        postgres = self.running.postgres
        kill(tree(postgres.child.pid))
        postgres.child.end_group()
        postgres.child.wait(10)
        postgres.child.start()
        postgres.wait_ready()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.running.database_url) as link:
            return link.execute(query.encode()).fetchall()


@contextlib.contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """A migrated site without a web server; everything is stopped at the end."""
    with listen("127.0.0.1", 0) as listener:
        site = Site(services.start(folder / "var"), listener)
        try:
            site.run("embedded.prepare")
            yield site
        finally:
            site.stop_web()
            site.running.stop()


def kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)
