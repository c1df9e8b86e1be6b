"""Child processes that never outlive their parent: start, watch, stop with all descendants.

Linux kills them with the parent (PDEATHSIG) and hands their orphans to it (subreaper), so even a
killed parent or a child that starts its own session leaves nothing behind. Elsewhere the process
groups are stopped in order.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from embedded.owner import Owner

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
LOG_LIMIT_BYTES = 20_000_000
POLL_SECONDS = 0.02

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Program:
    """What to run, as whom, and how to end it.

    `stop_signal` asks for an orderly end; after `grace` seconds the process group is killed.
    `prepare` runs before every start, also after a crash.
    """

    name: str
    command: Sequence[str]
    owner: Owner
    environment: Mapping[str, str]
    folder: Path
    log: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0
    prepare: Callable[[], None] | None = None
    pass_fds: Sequence[int] = ()


class Child:
    """One running program in its own session; at most one process at a time."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.group_ended = True

    @property
    def pid(self) -> int:
        """The number of the running process."""
        if self.process is None:
            raise RuntimeError(f"{self.program.name} is not started")
        return self.process.pid

    def start(self) -> None:
        """Start the program; its output goes to its log, or to the terminal without one."""
        if self.program.prepare:
            self.program.prepare()
        log = open_log(self.program.log, self.program.owner) if self.program.log else None
        try:
            self.process = spawn(self.program, log)
            self.group_ended = False
        finally:
            if log:
                log.close()

    def running(self) -> bool:
        """Whether the process is alive."""
        return self.process is not None and self.process.poll() is None

    def end_group(self) -> None:
        """Kill what is left of the process and its group; once, because numbers are reused."""
        if self.process is not None and not self.group_ended:
            self.group_ended = True
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the process in order, then by force; safe to call twice."""
        if self.running():
            self.ask_to_stop()
            self.wait(self.program.grace)
        self.end_group()
        if self.process is not None:
            self.process.wait()

    def ask_to_stop(self) -> None:
        """Send the orderly stop signal to the process itself; it tells its own children."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(self.program.stop_signal)

    def wait(self, seconds: float) -> bool:
        """Wait for the end; false where it did not come in time."""
        if self.process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(seconds)
        return not self.running()


def spawn(program: Program, log: IO[bytes] | None) -> subprocess.Popen[bytes]:
    """Start a program as its owner, in a new session, bound to the life of this process."""
    parent = os.getpid()

    def bind_to_parent() -> None:
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, int(program.stop_signal))
            if os.getppid() != parent:  # the parent died before the line above
                os._exit(1)

    # preexec_fn runs after the change of user, which would clear the death signal. It is safe
    # here because callers start children from their only thread.
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        list(program.command),
        cwd=program.folder,
        env=dict(program.environment),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log else None,
        start_new_session=True,
        # Labels, uploads and models are nobody else's on this machine.
        umask=0o077,
        pass_fds=program.pass_fds,
        preexec_fn=bind_to_parent,  # noqa: PLW1509
        **program.owner.popen_arguments(),
    )


def run_once(program: Program, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its output (both streams together)."""
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        list(program.command),
        cwd=program.folder,
        env=dict(program.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
        check=False,
        **program.owner.popen_arguments(),
    )


def open_log(path: Path, owner: Owner) -> IO[bytes]:
    """Open a log for appending; a long one is moved aside first (one older copy is kept)."""
    with owner.acting():
        if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path.open("ab")


def log_tail(path: Path, lines: int = 1) -> str:
    """The last lines of a log, for an error message."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])


def adopt_orphans() -> None:
    """Make this process the parent of every orphan among its descendants (Linux)."""
    if _libc is not None:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(keep: Container[int] = ()) -> list[int]:
    """Every living process below this one, from /proc; empty on other systems.

    Processes in `keep` and everything below them are left out.
    """
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        if (status := process_status(int(entry.name))) and status[0] != "Z":
            parents[int(entry.name)] = status[1]
    found: list[int] = []
    front = [os.getpid()]
    while front:
        front = [pid for pid, parent in parents.items() if parent in front and pid not in keep]
        found += front
    return found


def process_status(pid: int) -> tuple[str, int] | None:
    """State letter and parent of a process; None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may itself hold spaces and parentheses.
    state, parent = text.rpartition(")")[2].split()[:2]
    return state, int(parent)


def stop_descendants(grace: float, keep: Container[int] = ()) -> None:
    """End every process below this one: orderly within `grace` seconds, then by force."""
    for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
        signalled: set[int] = set()
        deadline = time.monotonic() + seconds
        while (left := descendants(keep)) and time.monotonic() < deadline:
            for pid in set(left) - signalled:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            signalled |= set(left)
            reap_orphans(keep)
            time.sleep(POLL_SECONDS)


def reap_orphans(own: Container[int]) -> None:
    """Collect ended processes this one adopted; `own` are those that somebody else waits for."""
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        if pid not in own and process_status(pid) == ("Z", os.getpid()):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
