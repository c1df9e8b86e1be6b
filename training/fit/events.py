"""JSON-lines events on stdout, and the wish to stop."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

from training.fit.files import finite

STOPPED = 75
REFUSED = 2


class StoppedError(Exception):
    """The process was asked to stop and has put its state in order.

    Args:
        step: steps that are safe on disk.
    """

    def __init__(self, step: int) -> None:
        super().__init__(f"stopped at step {step}")
        self.step = step


class _Wish:
    stop = False
    silent = False


def listen_for_stop() -> None:
    """From now on SIGTERM and SIGINT only note the wish to stop."""

    def note(_number: int, _frame: FrameType | None) -> None:
        _Wish.stop = True

    signal.signal(signal.SIGTERM, note)
    signal.signal(signal.SIGINT, note)


def stop_wanted() -> bool:
    """Whether a signal has asked to stop."""
    return _Wish.stop


def be_silent() -> None:
    """From now on print nothing: another process speaks for this one."""
    _Wish.silent = True


def speak() -> None:
    """Print again: what follows happened to this process alone."""
    _Wish.silent = False


def emit(event: str, **values: Any) -> None:
    """Write one event as one line and flush it."""
    if _Wish.silent:
        return
    sys.stdout.write(json.dumps({"event": event, **finite(values)}) + "\n")
    sys.stdout.flush()


def progress(done: int, total: int, note: str) -> None:
    """How far the command is."""
    emit("progress", done=done, total=total, note=note)


def metric(step: int, values: Mapping[str, float]) -> None:
    """Figures of one step."""
    emit("metric", step=step, values=dict(values))


def log(message: str, level: str = "info") -> None:
    """A line for the reader of the log."""
    emit("log", level=level, message=message)
