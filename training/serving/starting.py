"""Starting the serving process on demand: one per machine, gone when nobody asks any more."""

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from training.registry.resident import die_with_parent

_started: list["subprocess.Popen[bytes]"] = []


def start() -> None:
    """Start the process unless this worker has one; one of another worker lets it end at once.

    It dies with the worker that started it.
    """
    _started[:] = [process for process in _started if process.poll() is None]
    if not _started:
        _started.append(
            subprocess.Popen(
                [sys.executable, "manage.py", "serve_models"],
                cwd=settings.BASE_DIR,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - it makes one system call
            )
        )


@contextmanager
def alone() -> Iterator[bool]:
    """Whether this is the only serving process on this data folder; the lock ends with it."""
    path = Path(settings.VAR_DIR) / "serve.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
