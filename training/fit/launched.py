"""A process among several that a launcher has started."""

from __future__ import annotations

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1


def die_with_launcher() -> None:
    """End when the launcher ends, however it ends: it gives each process a session of its own,
    so a signal to the launcher's group would leave them running.
    """
    if "LOCAL_RANK" in os.environ:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
