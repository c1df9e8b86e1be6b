"""The product as a whole: time to the first page, memory, disk; with --cold also installing.

make bench ARGS=platform
make bench ARGS="platform --cold"     a clone, its installation, `make demo` and `make test`
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from embedded import owner
from embedded.staging import marked_processes
from tests.bench.report import Report

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 300.0
# Not for the commands that are timed: our services, and the arguments of the make that runs us.
OURS = (
    *("DATABASE_URL", "BROKER_URL", "TANDEM_VAR", "SECRET_KEY", "DJANGO_SETTINGS_MODULE"),
    *("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "ARGS"),
)
UP = (
    "import sys; from pathlib import Path; from embedded.supervisor import Options, up; "
    "sys.exit(up(Options(var=Path(sys.argv[1]), port=int(sys.argv[2]), command=['check'])))"
)
PROGRAMS = {"web": "gunicorn", "default worker": "default@", "GPU worker": "gpu@", "beat": " beat "}


def main(arguments: list[str]) -> None:
    """Measure what this machine lets us measure."""
    with Report("platform") as report:
        measure_disk(report)
        measure_start(report)
        if "--cold" in arguments:
            measure_cold(report)
        else:
            report.not_measured("cold make demo and make test", "asked for with --cold only")


def measure_disk(report: Report) -> None:
    """Space of the virtual environment, in MB of 10^6 bytes."""
    venv = Path(sys.prefix)
    if venv == Path(sys.base_prefix):
        report.not_measured("disk of .venv", "not running from a virtual environment")
        return
    kilobytes = subprocess.run(
        ["du", "-sk", str(venv)], capture_output=True, text=True, check=True
    ).stdout.split()[0]
    report.add("disk of .venv (all extras)", int(kilobytes) * 1.024e-3, "MB")


def measure_start(report: Report) -> None:
    """First and second start of everything to the first page, then memory of the processes."""
    if closed := closed_to_the_dropped_user():
        report.not_measured("start to the first page, memory", f"{closed} is closed to 'nobody'")
        return
    folder = Path(tempfile.mkdtemp(prefix="tandem-bench-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        for case in (
            "first start (new database) to the first page",
            "warm start to the first page",
        ):
            with started(folder / "var") as seconds:
                report.add(case, seconds, "s")
                if case.startswith("warm"):
                    measure_memory(report, folder / "var")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def closed_to_the_dropped_user() -> Path | None:
    """The folder that keeps root's unprivileged user from running this Python; None if none."""
    dropped = owner.choose_owner(ROOT / "no-such-folder")
    paths = (ROOT, Path(sys.executable), Path(sys.base_prefix))
    return next(filter(None, (owner.closed_folder(dropped, path) for path in paths)), None)


@contextlib.contextmanager
def started(var: Path) -> Iterator[float]:
    """Run everything; gives the seconds to the first page, and stops it at the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    ours = ("DATABASE_URL", "BROKER_URL", "TANDEM_VAR", "SECRET_KEY")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", UP, str(var), str(port)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("The first page"):
                    yield time.monotonic() - began
                    break
            else:
                raise RuntimeError("the product did not start")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_SECONDS)


def measure_memory(report: Report, var: Path) -> None:
    """Memory of each program with its children, in MB of 2^20 bytes, once all are ready.

    RSS counts pages that processes share once for each of them, PSS once in all.
    """
    if not Path("/proc/self/smaps_rollup").exists():
        report.not_measured("memory", "no /proc/PID/smaps_rollup on this system")
        return
    wait_for_workers(var)
    used = {(name, kind): 0.0 for name in PROGRAMS for kind in ("RSS", "PSS")}
    for pid in marked_processes(var):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text().upper()
            for name, kind in used:
                if PROGRAMS[name] in line:
                    used[name, kind] += kilobytes(rollup, kind) / 1024
    for (name, kind), megabytes in used.items():
        report.add(f"{kind} of {name}", megabytes, "MB")


def wait_for_workers(var: Path) -> None:
    """Wait until each worker has started its pool: three processes and two."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        lines = []
        for pid in marked_processes(var):
            with contextlib.suppress(OSError):
                lines.append(Path(f"/proc/{pid}/cmdline").read_bytes())
        pools = [sum(word in line for line in lines) for word in (b"default@", b"gpu@")]
        if pools == [3, 2]:
            time.sleep(2)
            return
        time.sleep(0.2)
    raise RuntimeError("the workers did not become ready")


def kilobytes(rollup: str, kind: str) -> int:
    """One figure of an upper-cased smaps_rollup."""
    line = next(line for line in rollup.splitlines() if line.startswith(f"{kind}:"))
    return int(line.split()[1])


def measure_cold(report: Report) -> None:
    """Clone, then install, `make demo HEADLESS=1` and `make test`, each timed."""
    folder = Path(tempfile.mkdtemp(prefix="tandem-bench-", dir="/tmp"))
    folder.chmod(0o755)
    clone = folder / "clone"
    try:
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        bootstrap = [sys.executable, "platform/embedded/bootstrap.py", "--extras", "embedded train"]
        timed(report, "install with the train extra", clone, bootstrap)
        timed(report, "make demo HEADLESS=1, installed", clone, ["make", "demo", "HEADLESS=1"])
        timed(report, "make test, first run", clone, ["make", "test"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def timed(report: Report, case: str, folder: Path, command: list[str]) -> None:
    """Minutes of one command, or why they were not measured."""
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    began = time.monotonic()
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    minutes = (time.monotonic() - began) / 60
    if result.returncode:
        last = (result.stderr or result.stdout).strip().splitlines()[-1:]
        report.not_measured(case, f"ended with status {result.returncode}: {''.join(last)}")
        return
    report.add(case, minutes, "min")


if __name__ == "__main__":
    main(sys.argv[1:])
