"""Before a run: an input file its user can read, and no processes of an earlier run."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

from embedded.environment import MARK
from embedded.owner import Owner, closed_folder
from embedded.processes import POLL_SECONDS, process_status
from embedded.services import Services

LEFTOVER_SECONDS = 10.0


def stage_input(path: Path | None, services: Services) -> Path | None:
    """A path of the data file that the unprivileged user can read; copied only where needed."""
    if path is None or may_read(services.owner, path):
        return path
    folder = services.owner.make_folder(services.var / "input")
    target = folder / path.name
    with path.open("rb") as source, services.owner.acting(), target.open("wb") as copy:
        shutil.copyfileobj(source, copy)
    return target


def may_read(owner: Owner, path: Path) -> bool:
    """Whether `owner` can open a file, judged by mode bits."""
    if not owner.dropped:
        return True
    status = path.stat()
    bit = 0o400 if status.st_uid == owner.uid else 0o004
    return closed_folder(owner, path.parent) is None and bool(status.st_mode & bit)


def end_leftovers(var: Path) -> None:
    """End what a killed supervisor of this data folder left running (Linux).

    Children end with their supervisor; a grandchild in its own session may not. Call only while
    holding the data folder, so that no living supervisor is concerned.
    """
    for number, seconds in ((signal.SIGTERM, LEFTOVER_SECONDS), (signal.SIGKILL, 5.0)):
        signalled: set[int] = set()
        deadline = time.monotonic() + seconds
        while (left := marked_processes(var)) and time.monotonic() < deadline:
            for pid in left - signalled:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, number)
            signalled |= left
            time.sleep(POLL_SECONDS)


def marked_processes(var: Path) -> set[int]:
    """Living processes that carry the mark of this data folder, without this one's ancestors."""
    mark = os.fsencode(f"{MARK}={var}")
    own = ancestors(os.getpid())
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            pid = int(entry.name)
            if pid not in own and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def ancestors(pid: int) -> set[int]:
    """A process and all above it."""
    found = {pid}
    while (status := process_status(pid)) and status[1]:
        pid = status[1]
        found.add(pid)
    return found
