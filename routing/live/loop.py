"""The job `routing.live`: small steps, each safe to repeat, until nothing is left to do.

| step   | what it does                                                | found again by       |
|--------|-------------------------------------------------------------|----------------------|
| purses | closes what a killed attempt left open                      | open purses          |
| ask    | asks the judge about what was sent to it                    | decisions, labels    |
| drift  | looks whether what comes in or the judge has changed        | `drift`              |
| fit    | fits a router where one is due                              | counts of labels     |
| again  | looks at open decisions again: new router, other budgets    | `rerouted_for`       |
| batch  | draws the arms of new instances, scores, chooses, writes    | instances undecided  |
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from core.exceptions import InvalidInput
from jobs.context import JobContext
from training.runs import schedules

from . import again, asking, drift, fitting, setaside
from .batches import MOST, collect_seed, route_batch, seed_missing
from .by_criterion import route_by_criterion
from .models import LiveRouting, Mode, Stall
from .scoring import ask_or_stall
from .work import Work, waiting
from .writing import Raced, Stalled, Written

KIND = "routing.live"
# A step that is beaten to the money is taken again so often.
RACES = 5


class Loop:
    """One run of the job. `done` counts what the steps did."""

    def __init__(self, context: JobContext, project_id: int) -> None:
        self.context = context
        self.project_id = project_id
        self.done: Counter[str] = Counter()
        self.races = 0
        self.refit = bool(context.arguments.get("refit"))
        self.everything = bool(context.arguments.get("all"))

    def work(self) -> Work:
        """The settings as they are now."""
        related = ("project__protocol", "judge__annotator", "strong_judge", "router")
        return Work(LiveRouting.objects.select_related(*related).get(project=self.project_id))

    def run(self) -> dict[str, Any]:
        asking.finish_open(self.context, self.work().project)
        try:
            while self._step():
                self.context.progress(self.done["routed"], 0, "routing")
        except Stalled as stalled:
            _note_stall(self.work().live, stalled.stall, stalled.reason)
            self.context.log(stalled.reason, "warning")
            setaside.give_up(self.work().project)
            return dict(self.done) | {"stalled": str(stalled.stall), "reason": stalled.reason}
        live = self.work().live
        setaside.give_back(live.project)
        if live.stall != Stall.FIT or self.done["routed"] or self.done["fitted"]:
            _note_stall(live, Stall.NONE, "")
        return dict(self.done)

    def _step(self) -> bool:
        """Take the first step that has something to do; False where none has."""
        self.context.check()
        work = self.work()
        if work.live.mode == Mode.OFF and not (self.everything or self.refit):
            return False
        steps: tuple[Callable[[Work], bool], ...] = (
            self._ask,
            self._drift,
            self._fit,
            self._again,
            self._batch,
        )
        return any(step(work) for step in steps)

    def _ask(self, work: Work) -> bool:
        return any(self._ask_one(work, debt) for debt in asking.debts(work))

    def _ask_one(self, work: Work, debt: asking.Debt) -> bool:
        ids = asking.owed(work, debt)
        if ids:
            ask_or_stall(self.context, work, debt.judge, ids, [debt.criterion])
            self.done["asked"] += len(ids)
            if asking.owed(work, debt) == ids:
                raise Stalled(Stall.JUDGE, f"The judge {debt.judge.name} gave no answer.")
        return bool(ids)

    def _drift(self, work: Work) -> bool:
        if not drift.stale(work):
            return False
        before, found = work.live.drift.get("trigger"), drift.measure(work)
        if found.get("trigger") not in {None, before}:
            self.context.log(f"Since the router was fitted: {found['trigger']}.")
            schedules.drift_seen(work.project, found["trigger"])
        return True

    def _fit(self, work: Work) -> bool:
        why = fitting.due(work, asked=self.refit)
        self.refit = False
        if why is None:
            return False
        router = fitting.fit(work, why, self.context.job)
        self.context.log(f"Router v{router.version} fitted ({why.trigger}).")
        self.done["fitted"] += 1
        return True

    def _again(self, work: Work) -> bool:
        if not again.due(work):
            return False
        try:
            self.done["moved"] += again.look_again(self.context, work)
        except Raced:
            self.races += 1
            return self.races < RACES
        return True

    def _batch(self, work: Work) -> bool:
        if work.live.router is None:
            return self._seed(work)
        size = work.live.batch_size if work.live.mode == Mode.BATCH else MOST
        rows = work.rows(waiting(work.project)[: min(size, MOST)])
        if work.live.mode == Mode.BATCH and len(rows) < size and not self.everything:
            return False
        if not rows:
            return False
        try:
            route = route_by_criterion if work.by_criterion else route_batch
            self._note(work, route(self.context, work, rows))
        except Raced:
            self.races += 1
            return self.races < RACES
        return True

    def _seed(self, work: Work) -> bool:
        missing = seed_missing(work)
        written = collect_seed(self.context, work, missing) if missing else None
        if written is not None:
            self._note(work, written)
        return written is not None

    def _note(self, work: Work, written: Written) -> None:
        routed = sum(written.counts.values())
        self.done["routed"] += routed
        now = timezone.now()
        LiveRouting.objects.filter(pk=work.live.pk).update(
            routed_at=now,
            last_batch={
                "counts": written.counts,
                "instances": routed,
                "router": work.live.router.version if work.live.router else None,
            },
        )


def run_live(context: JobContext) -> dict[str, Any]:
    """Arguments: `all` (route what waits, also if it is no full batch, or if routing is off),
    `refit`. The result counts what was `routed`, `asked` and `fitted`, and why it stalled."""
    if context.job.project_id is None:
        raise InvalidInput("Live routing belongs to a project.")
    return Loop(context, context.job.project_id).run()


def something_to_do(work: Work) -> bool:
    """Whether a run of the job would find a step to take. A handful of queries."""
    if asking.owes(work) or fitting.due(work) is not None or again.due(work):
        return True
    if drift.stale(work):
        return True
    if work.live.router is None:
        return bool(seed_missing(work)) and waiting(work.project).exists()
    size = work.live.batch_size if work.live.mode == Mode.BATCH else 1
    return waiting(work.project)[:size].count() >= size


def _note_stall(live: LiveRouting, stall: Stall, reason: str) -> None:
    since = live.stalled_at if live.stall == stall and stall else timezone.now()
    LiveRouting.objects.filter(pk=live.pk).update(
        stall=stall, stall_reason=reason[:300], stalled_at=since if stall else None
    )
