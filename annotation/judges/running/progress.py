"""How a run is getting on: rate, cost so far, what it will come to, and when."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.judges.models import JudgeRun, RunState
from jobs.models import State

OVER_SECONDS = 60.0
OUTCOMES = ("answered", "unparsable", "failed", "incomplete", "unknown")


class Meter:
    """Calls and instances a second over the last minute."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: deque[tuple[float, int, int]] = deque([(clock(), 0, 0)])

    def note(self, calls: int, done: int) -> tuple[float, float]:
        """(calls, instances) a second, with what has been made and done up to now."""
        now = self._clock()
        self._seen.append((now, calls, done))
        while now - self._seen[0][0] > OVER_SECONDS:
            self._seen.popleft()
        since, calls_then, done_then = self._seen[0]
        seconds = max(now - since, 1e-9)
        return (calls - calls_then) / seconds, (done - done_then) / seconds


@dataclass(frozen=True)
class RunProgress:
    """A run in numbers. Money in micros; `rate`: calls a second over the last minute.

    `state`: of the row, or of its job where that ended without it. `done` of `total` are
    instances × criteria, the five outcomes add up to `done`. `projected_micros` and
    `eta_seconds` are None while nobody can tell.
    """

    state: str
    done: int
    total: int
    calls: int
    rate: float
    spent_micros: int
    projected_micros: int | None
    eta_seconds: float | None
    answered: int
    unparsable: int
    failed: int
    incomplete: int
    unknown: int

    @property
    def percent(self) -> int:
        return min(100, round(100 * self.done / self.total)) if self.total else 0


def run_progress(run: JudgeRun) -> RunProgress:
    """The numbers as the run wrote them last, at most half a second ago while it runs."""
    counts: Mapping[str, Any] = run.counts
    outcomes = {name: int(counts.get(name, 0)) for name in OUTCOMES}
    return RunProgress(
        state=_state(run),
        done=sum(outcomes.values()),
        total=run.total,
        calls=run.calls,
        rate=float(counts.get("rate", 0.0)),
        spent_micros=run.spent_micros,
        projected_micros=run.projected_micros,
        eta_seconds=counts.get("eta_seconds"),
        **outcomes,
    )


def _state(run: JudgeRun) -> str:
    """A job cancelled in the queue, or lost for good, cannot write how its run ended."""
    ends = {State.CANCELLED: RunState.CANCELLED, State.FAILED: RunState.FAILED}
    if run.job is None or run.state not in (RunState.WAITING, RunState.RUNNING):
        return run.state
    return ends.get(State(run.job.state), RunState(run.state))
