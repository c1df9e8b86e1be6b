"""Jobs: what the server does meanwhile, and waiting for it with a bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .errors import JobFailed
from .http import Connection
from .terminal import plain

Result = TypeVar("Result")
FASTEST_LOOK_SECONDS = 0.3
SLOWEST_LOOK_SECONDS = 3.0
ENDED = frozenset({"succeeded", "failed", "cancelled"})


class Job(Generic[Result]):
    """One job of a project. `watch()` waits for it and gives what it made."""

    def __init__(
        self,
        connection: Connection,
        project: str,
        number: int,
        load: Callable[[dict[str, Any]], Result],
    ) -> None:
        self.id = number
        self._connection = connection
        self._path = f"projects/{project}/jobs/{number}/"
        self._load = load
        self.raw: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.raw.get('kind', '')} {self.raw.get('state', '')}>"

    def refresh(self) -> dict[str, Any]:
        """How it stands: kind, state, done, total, note, error, result, …"""
        self.raw = self._connection.get(self._path)["job"]
        return self.raw

    @property
    def state(self) -> str:
        """queued, leased, running, succeeded, failed or cancelled, as of now."""
        return str(self.refresh()["state"])

    def log(self) -> list[str]:
        """The last lines that it wrote."""
        return [line["message"] for line in self._connection.get(self._path)["log"]]

    def cancel(self) -> None:
        """Ask it to stop; what it has made so far is kept."""
        self._connection.post(f"{self._path}cancel/")

    def watch(self, *, progress: bool = True, timeout: float | None = None) -> Result:
        """Wait for the end and give what was made. Interrupting only stops the waiting.

        Args:
            progress: whether a bar is drawn (in a terminal or a notebook).
            timeout: seconds to wait at most; the job goes on.

        Raises:
            JobFailed: it failed or was cancelled.
            TimeoutError: the time is over.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        with _bar(progress) as bar:
            task = bar.add_task(f"job {self.id}", total=None, note="")
            pause = FASTEST_LOOK_SECONDS
            while self.refresh()["state"] not in ENDED:
                _show(bar, task, self.raw)
                if deadline is not None and time.monotonic() > deadline:
                    raise TimeoutError(f"Job {self.id} is still {self.raw['state']}.")
                time.sleep(pause)
                pause = min(pause * 1.3, SLOWEST_LOOK_SECONDS)
            _show(bar, task, self.raw)
        if self.raw["state"] != "succeeded":
            said = self.raw["error"] or f"it was {self.raw['state']}"
            raise JobFailed(f"Job {self.id} ({self.raw['kind']}): {said}", self.raw)
        return self._load(self.raw["result"] or {})


def _bar(shown: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        # What a command prints on stdout is its result, and may be JSON for another program.
        console=Console(stderr=True),
        disable=not shown,
    )


def _show(bar: Progress, task: Any, job: dict[str, Any]) -> None:
    bar.update(
        task,
        description=plain(f"{job['kind']} {job['state']}"),
        completed=job["done"],
        total=job["total"] or None,
        note=plain(job["note"]),
    )
