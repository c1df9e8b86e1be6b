"""What is left after a crash: no lost rows, no believed lock file, no harmed stranger."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from embedded import services
from embedded.processes import process_status
from tests.embedded.conftest import start_program

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def test_killed_postmaster_loses_no_acknowledged_row(var: Path) -> None:
    running = services.start(var)
    acknowledged = 0
    try:
        with psycopg.connect(running.database_url, autocommit=True) as connection:
            connection.execute("CREATE TABLE acknowledged (number int)")
            for number in range(100):
                connection.execute("INSERT INTO acknowledged VALUES (%s)", [number])
                acknowledged += 1
            os.kill(running.postgres.child.pid, signal.SIGKILL)
            os.kill(running.redis.child.pid, signal.SIGKILL)
    finally:
        running.stop()
    again = services.start(var)
    try:
        with psycopg.connect(again.database_url) as connection:
            row = connection.execute("SELECT count(*) FROM acknowledged").fetchone()
            assert row == (acknowledged,) == (100,)
    finally:
        again.stop()


def test_a_lock_file_that_names_a_stranger_is_removed_and_the_stranger_lives(var: Path) -> None:
    """The number of a dead server can belong to any process, also one of the same user."""
    running = services.start(var, durable=False)
    running.stop()
    lock = running.postgres.data / "postmaster.pid"
    with subprocess.Popen(["sleep", "60"], **running.owner.popen_arguments()) as stranger:  # type: ignore[call-overload]
        lines = [stranger.pid, running.postgres.data, int(time.time()), 5432, running.sockets, ""]
        lock.write_text("\n".join(map(str, lines)))
        again = services.start(var, durable=False)
        try:
            assert stranger.poll() is None
            assert lock.read_text().split("\n")[0] == str(again.postgres.child.pid)
        finally:
            again.stop()
            stranger.kill()


def test_a_damaged_lock_file_is_removed(var: Path) -> None:
    running = services.start(var, durable=False)
    running.stop()
    lock = running.postgres.data / "postmaster.pid"
    for content in ("", "not a number\n", "-1\n"):
        lock.write_text(content)
        running.postgres.clear_stale_lock()
        assert not lock.exists()


def test_servers_end_with_a_killed_supervisor(var: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from embedded import services; "
        "running = services.start(Path(sys.argv[1])); "
        "print(running.postgres.child.pid, running.redis.child.pid, flush=True); time.sleep(60)"
    )
    with start_program(var, ["-c", code, str(var)]) as process:
        assert process.stdout is not None
        servers = [int(pid) for pid in process.stdout.readline().split()]
        assert len(servers) == 2
        process.kill()
    wait_until(lambda: all(process_status(pid) is None or gone(pid) for pid in servers))
    again = services.start(var)
    again.stop()


def gone(pid: int) -> bool:
    """Ended, though whoever adopted it has not collected it yet."""
    status = process_status(pid)
    return status is None or status[0] == "Z"


def test_a_server_left_by_its_supervisor_is_ended_first(var: Path) -> None:
    """Where the system cannot bind a child to its parent, the next start finds it."""
    running = services.start(var, durable=False)
    running.stop()
    program = running.postgres.server_program(durable=False)
    running.sockets.mkdir(mode=0o700)
    running.owner.give(running.sockets)
    with subprocess.Popen(  # type: ignore[call-overload]
        program.command,
        cwd=program.folder,
        env=program.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **running.owner.popen_arguments(),
    ) as orphan:
        wait_until((running.postgres.data / "postmaster.pid").exists)
        wait_until(running.postgres.answers)
        again = services.start(var, durable=False)
        try:
            assert orphan.wait(5) == 0
            assert again.postgres.answers()
        finally:
            again.stop()
