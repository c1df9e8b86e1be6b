"""A run's row while it runs and at its end."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Protocol

from django.db.models import Sum
from django.utils import timezone

from annotation.judges.models import JudgeCall, JudgeRun, RunState
from core.exceptions import ApplicationError, BudgetExceeded
from jobs.context import JobContext
from jobs.exceptions import JobCancelled, JobFenced, JobReleased

from .books import PAID
from .progress import OUTCOMES, Meter


class Going(Protocol):
    """A run under way, as `Engine` and `BatchEngine` are."""

    outcome: Counter[str]
    stopped: str

    @property
    def spent(self) -> int: ...

    @property
    def calls(self) -> int: ...

    @property
    def done(self) -> int: ...


# What an engine says of a cancel that needs no words.
CANCELLED = "cancelled"
WRITTEN = ("counts", "calls", "spent_micros", "projected_micros")


class Recording:
    """Writes how the engine gets on into the row of its run, and into the row of its job.

    An earlier attempt of the same run counts: what it made and paid is read from its calls.
    `labelled`: what it labelled that is asked about no more.
    """

    def __init__(self, run: JudgeRun, context: JobContext, *, labelled: int = 0) -> None:
        self.run = run
        self.context = context
        self._labelled = labelled
        self._meter = Meter()
        calls = JudgeCall.objects.filter(run=run)
        made = calls.aggregate(made=Sum("attempts"))["made"] or 0
        paid = calls.filter(state__in=PAID).aggregate(paid=Sum("price_micros"))["paid"] or 0
        self._before = (made, paid)

    def look(self, engine: Going) -> None:
        """Write the numbers.

        Raises:
            JobCancelled, JobFenced: as the job's row says.
        """
        self._write(engine)
        self._tell(engine)
        self.context.check()

    def _tell(self, engine: Going) -> None:
        note = f"{engine.calls} calls, {self.run.counts['rate']:.1f} a second"
        self.context.progress(self._labelled + engine.done, self.run.total, note)

    def _write(self, engine: Going, **values: object) -> None:
        run, done = self.run, self._labelled + engine.done
        rate, instances = self._meter.note(engine.calls, engine.done)
        outcome = engine.outcome + Counter(answered=self._labelled)
        run.counts = {name: outcome[name] for name in OUTCOMES} | {
            "rate": round(rate, 2),
            "eta_seconds": round((run.total - done) / instances) if instances > 0 else None,
        }
        made, paid = self._before
        run.calls, run.spent_micros = made + engine.calls, paid + engine.spent
        if done:
            run.projected_micros = round(run.spent_micros * max(1.0, run.total / done))
        for name, value in values.items():
            setattr(run, name, value)
        run.save(update_fields=[*WRITTEN, *values])

    def end(self, engine: Going, error: BaseException | None) -> None:
        """Write how it ended; nothing where another attempt holds the job."""
        if isinstance(error, (JobFenced, JobReleased)):
            return
        state, reason = ending(engine, error)
        self._write(engine, state=state, stop_reason=reason[:300], finished_at=timezone.now())
        # What came last is to be seen too; a cancel that comes now is too late.
        with suppress(JobCancelled):
            self._tell(engine)


def ending(engine: Going, error: BaseException | None) -> tuple[RunState, str]:
    """The state a run ends in and why."""
    if isinstance(error, JobCancelled):
        return RunState.CANCELLED, "" if engine.stopped == CANCELLED else engine.stopped
    if isinstance(error, BudgetExceeded):
        return RunState.STOPPED, error.message
    if error is not None:
        return RunState.FAILED, _words(error)
    return (RunState.STOPPED, engine.stopped) if engine.stopped else (RunState.FINISHED, "")


def _words(error: BaseException) -> str:
    if isinstance(error, ApplicationError):
        return error.message
    return f"{type(error).__name__}: {error}"
