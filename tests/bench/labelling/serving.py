"""Servers under measurement: our web processes as in production, CPU times, and the client."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from embedded.processes import process_status
from embedded.programs import web_command
from embedded.supervisor import listen, page_status

ROOT = Path(__file__).resolve().parents[3]
READY_SECONDS = 300.0
TICKS = os.sysconf("SC_CLK_TCK")


def prepare() -> None:
    """Migrations and static files, as before every start of the product."""
    subprocess.run(
        [sys.executable, "-m", "embedded.prepare"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL
    )


@contextlib.contextmanager
def web(log: Path) -> Iterator[tuple[int, int]]:
    """Our web server with the supervisor's command line; gives (port, process)."""
    with listen("127.0.0.1", 0) as listener:
        command = [sys.executable, "-m", *web_command(listener.fileno())]
        port = listener.getsockname()[1]
        with serving(command, port, log, pass_fds=[listener.fileno()]) as pid:
            yield port, pid


@contextlib.contextmanager
def serving(
    command: Sequence[str],
    port: int,
    log: Path,
    *,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[int]:
    """Run a web server until it answers, and to the end of the block; gives the process."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=pass_fds,
        ) as process,
    ):
        try:
            deadline = time.monotonic() + READY_SECONDS
            while not 0 < page_status("127.0.0.1", port) < 500:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"the web server did not start, see {log}")
                time.sleep(0.1)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        if status := process_status(int(entry.name)):
            parents[int(entry.name)] = status[1]
    found, front = [pid], [pid]
    while front:
        front = [child for child, parent in parents.items() if parent in front]
        found += front
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time of processes with all below them, ended children included once collected."""
    total = 0
    for pid in {each for root in pids for each in tree(root)}:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS


def drive(job: dict[str, Any], servers: Sequence[int]) -> dict[str, Any]:
    """Run the client process; its result with the CPU milliseconds of the servers per label."""
    command = [sys.executable, "-m", "tests.bench.labelling.client", json.dumps(job)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        if client.stdout.readline() != "ready\n":
            raise RuntimeError(f"the virtual annotators did not come in: {client.stdout.read()}")
        before = cpu_seconds(servers)
        client.stdin.write("go\n")
        client.stdin.flush()
        result: dict[str, Any] = json.loads(client.stdout.readline())
        used = cpu_seconds(servers) - before
    result["server_cpu_ms"] = used / max(result["annotations"], 1) * 1000
    return result
