"""Work in its own process group, followed through the JSON lines it prints.

A worker never imports torch: it starts `python -m training …` here. The group gets SIGTERM on a
cancel and SIGKILL after a grace period; it dies with the worker, and a group left over from a lost
worker on this machine is killed before the next attempt starts.
"""

import contextlib
import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from django.conf import settings

from .context import JobContext
from .exceptions import JobCancelled, JobFailed, JobReleased

EXIT_REFUSED = 2
EXIT_STOPPED = 75
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_TAIL_BYTES = 4000
_DISK_FULL_BYTES = 10_000_000
# How the launcher of several processes says that one of them got SIGKILL.
_LAUNCHED_KILLED = "exitcode  : -9"
Event = dict[str, Any]


def run_process(
    context: JobContext,
    argv: list[str],
    *,
    on_event: Callable[[Event], None] | None = None,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Run `argv` to its end and return the values of its `result` event.

    Raises:
        JobFailed: it refused, crashed or was killed; the message says which.
        JobCancelled, JobFenced, JobReleased: as in `jobs.exceptions`.
    """
    _kill_left_over(context.folder)
    killed_before = _killed_for_memory()
    stderr_path = context.folder / f"stderr-{context.attempt}.txt"
    with stderr_path.open("wb") as stderr:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=cwd,
            env=env,
            start_new_session=True,
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - it makes one system call
        )
    _remember(context.folder, process.pid)
    follower = _Follower(context, on_event)
    try:
        follower.follow(process)
    except BaseException:
        _stop_group(process, signal.SIGKILL, 0)
        raise
    finally:
        _forget(context.folder)
    try:
        return _conclude(process.returncode, follower, stderr_path)
    except _KilledError:
        raise JobFailed(_why_killed(_killed_for_memory() > killed_before)) from None


class _KilledError(Exception):
    """Somebody sent SIGKILL, and it was not us."""


class _Follower:
    """Reads the child's lines and keeps what the end needs."""

    def __init__(self, context: JobContext, on_event: Callable[[Event], None] | None) -> None:
        self.context = context
        self.on_event = on_event
        self.result: dict[str, Any] | None = None
        self.refusal = ""
        self.cancelled = False
        self.stopped = False

    def follow(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None  # noqa: S101 - opened as a pipe above
        pending = b""
        checked = time.monotonic()
        while True:
            chunk = _read(process.stdout)
            if chunk == b"":
                break
            if chunk:
                *lines, pending = (pending + chunk).split(b"\n")
                for line in lines:
                    self._handle(line)
            if time.monotonic() - checked >= 1:
                checked = time.monotonic()
                self._check(process)
        process.wait()

    def _check(self, process: subprocess.Popen[bytes]) -> None:
        try:
            self.context.check()
        except JobCancelled:
            if not self.cancelled:
                self.cancelled = True
                self.context.log("Cancel requested: asking the process to stop.")
                _stop_group(process, signal.SIGTERM, settings.JOBS_CANCEL_GRACE_SECONDS, drain=self)

    def _handle(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").strip()
        if not text:
            return
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if not isinstance(event, dict) or "event" not in event:
            self.context.log(text)
            return
        self._dispatch(event)

    def _dispatch(self, event: Event) -> None:
        name = event["event"]
        if name == "progress":
            # The next check notices a cancel and stops the group in order.
            with contextlib.suppress(JobCancelled):
                self.context.progress(
                    int(event.get("done", 0)),
                    int(event.get("total", 0)),
                    str(event.get("note", "")),
                )
        elif name == "log":
            self.context.log(str(event.get("message", "")), str(event.get("level", "info")))
        elif name == "result":
            self.result = event.get("values") or {}
        elif name == "stopped":
            self.stopped = True
        elif name == "error":
            hint = event.get("hint")
            self.refusal = (
                f"{event.get('message', '')} {hint}" if hint else str(event.get("message"))
            )
        if self.on_event is not None:
            self.on_event(event)


def _read(stream: IO[bytes]) -> bytes | None:
    """The next bytes; None after half a second without any; b"" at the end."""
    ready, _, _ = select.select([stream], [], [], 0.5)
    return os.read(stream.fileno(), 65536) if ready else None


def _conclude(code: int, follower: _Follower, stderr_path: Path) -> dict[str, Any]:
    if follower.cancelled:
        raise JobCancelled
    if code == 0 and follower.result is not None:
        return follower.result
    # A launcher of several processes has an exit code of its own: what they said counts.
    if code == EXIT_STOPPED or (code != 0 and follower.stopped):
        raise JobReleased
    if code != 0 and follower.refusal:
        raise JobFailed(follower.refusal)
    tail = stderr_path.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace")
    if code == -signal.SIGKILL or (code != 0 and _LAUNCHED_KILLED in tail):
        raise _KilledError
    if shutil.disk_usage(stderr_path.parent).free < _DISK_FULL_BYTES:
        raise JobFailed(
            f"The process ended with code {code}, and the disk of {stderr_path.parent} is full: "
            "free some space, then start it again."
        )
    raise JobFailed(f"The process ended with code {code}.\n{tail}".strip())


def _why_killed(memory: bool) -> str:
    known = (
        "Main memory ran out, so the kernel killed the process"
        if memory
        else "The process was killed, most likely because memory ran out"
    )
    return (
        f"{known}: use a smaller model, a smaller token budget or a shorter maximum length, "
        "then start it again."
    )


def _killed_for_memory() -> int:
    """Processes of this container that the kernel has killed for memory; 0 where it cannot say."""
    try:
        events = Path("/sys/fs/cgroup/memory.events").read_text().split()
        return int(events[events.index("oom_kill") + 1])
    except (OSError, ValueError, IndexError):
        return 0


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _stop_group(
    process: subprocess.Popen[bytes], first: int, grace: float, drain: _Follower | None = None
) -> None:
    """Signal the whole group, and kill it when it has not ended after `grace` seconds."""
    _signal_group(process.pid, first)
    deadline = time.monotonic() + grace
    while process.poll() is None and time.monotonic() < deadline:
        if drain is not None:
            drain.context.beat()
        time.sleep(0.2)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _started_at(pid: int) -> str | None:
    """The kernel's start time of a process: with the pid it names one process for good."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19]
    except (OSError, IndexError):
        return None


def _remember(folder: Path, pid: int) -> None:
    (folder / "process.json").write_text(json.dumps({"pid": pid, "started": _started_at(pid)}))


def _forget(folder: Path) -> None:
    (folder / "process.json").unlink(missing_ok=True)


def _kill_left_over(folder: Path) -> None:
    try:
        known = json.loads((folder / "process.json").read_text())
    except (OSError, ValueError):
        return
    if known["started"] and _started_at(known["pid"]) == known["started"]:
        _signal_group(known["pid"], signal.SIGKILL)
    _forget(folder)
