"""The whole product starts, heals, and stops without leaving a process."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from embedded.staging import marked_processes
from embedded.supervisor import page_status
from tests.embedded.conftest import run_program, skip_without_open_python, start_program
from tests.embedded.test_crash import wait_until

UP = (
    "import sys; from pathlib import Path; from embedded.supervisor import Options, up; "
    "sys.exit(up(Options(var=Path(sys.argv[1]), port=int(sys.argv[2]), "
    "headless=sys.argv[3] == 'headless', command=sys.argv[4:])))"
)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def commands(var: Path) -> dict[str, int]:
    """The oldest process of each program of a run, by a word of its command line."""
    words = {"web": "gunicorn", "worker": "default@", "gpu-worker": "gpu@", "beat": "beat"}
    found: dict[str, int] = {}
    for pid in sorted(marked_processes(var), reverse=True):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().decode().replace("\0", " ")
        found |= {name: pid for name, word in words.items() if word in line}
    return found


@pytest.mark.slow
def test_it_heals_and_stops_with_everything(var: Path) -> None:
    skip_without_open_python()
    port = free_port()
    output = var.parent / "output"
    with (
        output.open("w") as stream,
        start_program(var, ["-c", UP, str(var), str(port), "stay", "check"], stream) as process,
    ):

        def wait_for(words: str) -> None:
            wait_until(lambda: words in output.read_text() or process.poll() is not None, 90)
            assert words in output.read_text()

        try:
            wait_for(f"Tandem runs at http://127.0.0.1:{port}/")
            assert page_status("127.0.0.1", port) in range(200, 500)
            before = commands(var)
            assert set(before) == {"web", "worker", "gpu-worker", "beat"}
            assert all(Path(f"/proc/{pid}").stat().st_uid != 0 for pid in before.values())
            postmaster = int((var / "postgres" / "postmaster.pid").read_text().split("\n")[0])
            for pid in (before["web"], postmaster):
                os.kill(pid, signal.SIGKILL)
            wait_for("web ended unexpectedly")
            wait_for("postgres ended unexpectedly")
            wait_until(lambda: page_status("127.0.0.1", port) in range(200, 500), 60)
            assert commands(var)["web"] != before["web"]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, output.read_text()
    assert marked_processes(var) == set()
    assert not (var / "postgres" / "postmaster.pid").exists()


@pytest.mark.slow
def test_headless_ends_with_the_commands_status_and_no_orphan(var: Path) -> None:
    """The command leaves a grandchild in a session of its own, which nobody waits for."""
    skip_without_open_python()
    leave = "import subprocess, sys; subprocess.Popen(['sleep', '300'], start_new_session=True)"
    status, output = run_program(
        var,
        ["-c", UP, str(var), str(free_port()), "headless", "shell", "-c", f"{leave}; sys.exit(3)"],
    )
    assert status == 3, output
    assert marked_processes(var) == set()
    if os.geteuid() == 0:
        assert {path.owner() for path in var.iterdir()} == {"nobody"}
    assert (var / "secret_key").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in var.iterdir() if path.stat().st_mode & 0o077] == []


def test_a_busy_port_is_one_line_before_anything_starts(var: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, output = run_program(var, ["-m", "embedded", "up", "--port", str(port)])
    assert status == 1
    assert output.startswith(f"tandem: Port {port} on 127.0.0.1 cannot be used")
    assert len(output.splitlines()) == 1
    assert not var.exists()


def test_a_missing_data_file_is_one_line(var: Path) -> None:
    arguments = ["-m", "embedded", "up", "--port", str(free_port()), "--data", "no/such.jsonl"]
    status, output = run_program(var, arguments)
    assert (status, output) == (
        1,
        "tandem: There is no file no/such.jsonl. DATA must name a file that exists.\n",
    )
    assert not var.exists()


def test_stop_without_a_run_says_so(var: Path) -> None:
    assert run_program(var, ["-m", "embedded", "stop"]) == (0, f"Nothing runs on {var}.\n")


def test_a_command_runs_with_the_services_and_hands_back_its_status(var: Path) -> None:
    code = (
        "import os, sys, psycopg, redis; "
        "psycopg.connect(os.environ['DATABASE_URL']).close(); "
        "redis.Redis(unix_socket_path=os.environ['BROKER_URL'].partition('://')[2]).ping(); "
        "sys.exit(7)"
    )
    status, output = run_program(var, ["-m", "embedded", "run", "--", "python3", "-c", code])
    assert (status, output) == (7, "")
    assert not (var / "run" / "services.json").exists()


def test_stop_ends_a_run_elsewhere(var: Path) -> None:
    with start_program(var, ["-m", "embedded", "run", "--", "sleep", "300"]) as process:
        wait_until(lambda: "DATABASE_URL" in state(var))
        began = time.monotonic()
        status, output = run_program(var, ["-m", "embedded", "stop"])
        assert (status, output) == (0, "Stopped.\n")
        assert time.monotonic() - began < 120
        assert process.wait(60) != 0


def state(var: Path) -> str:
    """What the run tells about itself so far."""
    path = var / "run" / "services.json"
    return path.read_text() if path.exists() else ""
