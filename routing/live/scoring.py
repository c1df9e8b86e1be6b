"""Scoring a batch with the router in use; the judge is asked first where the strategy reads it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from django.db.models import Count, Q

from annotation.instances.models import Instance
from annotation.judges.models import Judge
from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Destination
from core.exceptions import ApplicationError, BudgetExceeded, InvalidInput
from jobs.context import JobContext
from routing.decisions.models import Decision, Router
from routing.decisions.selectors import replaced
from routing.features.habits import Habits
from routing.features.table import Floats, Ints
from routing.strategies import registry
from routing.strategies.problem import STRONG, Problem, Scores, Strategy
from routing.strategies.selection import worth

from .asking import ask, plan, unasked
from .choosing import Arms, wanted_of
from .features import MICROS, features_of, problem_of
from .lists import over_lists
from .models import Stall
from .rewards import unscored
from .ruling import laid_over, unruled
from .setaside import set_aside
from .work import Row, Work
from .writing import Stalled, said

# Instances scored before by the same router that set the threshold together with a batch.
BEFORE = 2000


@dataclass(frozen=True, eq=False)
class Scored:
    """The router's scores of a batch, and π (n,) for each instance, money aside."""

    scores: Scores
    wanted: Floats
    reads_judge: bool

    def take(self, chosen: Ints) -> "Scored":
        scores = self.scores
        kept = Scores(
            scores.gain[chosen],
            scores.cost[chosen],
            scores.propensity[chosen],
            [scores.reason[int(i)] for i in chosen],
            None if scores.rest is None else scores.rest[chosen],
        )
        return Scored(kept, self.wanted[chosen], self.reads_judge)


def strategy_of(work: Work) -> Strategy:
    """The router in use.

    Raises:
        Stalled: there is none yet.
    """
    if work.live.router is None:
        raise Stalled(Stall.FIT, "No router is fitted yet.")
    return registry.load(work.live.router.parameters)


def ask_first(context: JobContext, work: Work, rows: Sequence[Row], arms: Arms) -> None:
    """Ask the judge about the whole batch where the strategy reads it.

    The audit arm's places and the judge's labels are set aside before anything is asked.

    Raises:
        Stalled: the audit arm cannot be paid, or the judge cannot be asked.
    """
    if not strategy_of(work).reads_judge:
        return
    audited = [row for row, drawn in zip(rows, arms.audit, strict=True) if drawn]
    asked = [row.pk for row, drawn in zip(rows, arms.audit, strict=True) if drawn or not row.rule]
    new = Instance.objects.filter(unasked(work.judge, work.criteria, asked)).order_by("pk")
    ids = list(new.values_list("pk", flat=True))
    drawn = {row.pk for row in audited}
    judged = plan(work.judge, work.criteria, [pk for pk in ids if pk in drawn])
    ask_or_stall(
        context,
        work,
        work.judge,
        ids,
        work.criteria,
        first=lambda: set_aside(work, audited, judged),
    )


def ask_or_stall(
    context: JobContext,
    work: Work,
    judge: Judge,
    ids: Sequence[int],
    criteria: Sequence[Criterion],
    *,
    first: Callable[[], None] | None = None,
) -> None:
    """Ask the judge about these instances; `first` is done before, with its purse or not at all.

    Raises:
        Stalled: it cannot be paid or asked, or stopped before the end; the reason says which.
    """
    try:
        stopped = ask(context, work, plan(judge, criteria, ids), first=first)
    except BudgetExceeded as error:
        raise Stalled(Stall.JUDGE, said(Stall.JUDGE, error)) from error
    except ApplicationError as error:
        raise Stalled(
            Stall.JUDGE, f"The judge {judge.name} cannot be asked: {error.message}"
        ) from error
    if stopped:
        raise Stalled(Stall.JUDGE, f"The judge {judge.name} stopped: {stopped}")


def score(context: JobContext, work: Work, rows: Sequence[Row]) -> Scored:
    """Gains of the rows, and who is wanted; rules come before the strategy and its share.

    Where the strategy wants a stronger judge first, that one is asked, and all is scored again.
    """
    strategy = strategy_of(work)
    for reward, fresh in unscored(work, rows):
        ask_or_stall(context, work, reward, fresh, [work.criterion])
    problem, scores = _scores(work, strategy, rows)
    if scores.rest is not None and work.live.strong_judge is not None:
        ids = [
            row.pk
            for row, to in zip(rows, scores.rest, strict=True)
            if to == STRONG and row.rule is None
        ]
        judge = work.live.strong_judge
        new = Instance.objects.filter(unasked(judge, [work.criterion], ids))
        if ids and (fresh := list(new.values_list("pk", flat=True))):
            ask_or_stall(context, work, judge, fresh, [work.criterion])
            problem, scores = _scores(work, strategy, rows)
    scores, lists = over_lists(work, rows, scores)
    free = unruled(rows) & ~lists
    own = Scored(scores, scores.propensity, strategy.reads_judge).take(np.flatnonzero(free))
    scores = laid_over(scores, rows)
    wanted = scores.propensity.copy()
    if free.any():
        wanted[free] = wanted_of(
            strategy,
            problem.take(free),
            own.scores,
            share=work.live.people_share,
            before=_before(work),
            credit=_credit(work),
            salt=work.salt,
        )
    return Scored(scores, wanted, strategy.reads_judge)


def _scores(work: Work, strategy: Strategy, rows: Sequence[Row]) -> tuple[Problem, Scores]:
    habits = _habits(work.live.router)
    problem = problem_of(work, features_of(work, [row.pk for row in rows], habits=habits), rows)
    try:
        return problem, strategy.score(problem)
    except InvalidInput as error:
        # A strategy of programs without one, of reward models without theirs.
        raise Stalled(Stall.FIT, f"The strategy cannot score: {error.message}"[:300]) from error


def scores_about(work: Work, criterion: Criterion, rows: Sequence[Row]) -> Scores:
    """The scores on one criterion, by the router fitted for it, else by the main one's."""
    mine = Router.objects.filter(
        project=work.project, criterion=criterion, strategy=work.live.strategy
    )
    router = mine.order_by("-version").first() or work.live.router
    if router is None:
        raise Stalled(Stall.FIT, "No router is fitted yet.")
    table = features_of(work, [row.pk for row in rows], criterion, _habits(router))
    return registry.load(router.parameters).score(problem_of(work, table, rows))


def _habits(router: Router | None) -> Habits | None:
    """The habits of judges as they were when the router was fitted, where it reads them."""
    return Habits.kept_in(router.parameters) if router else None


def _credit(work: Work) -> float:
    """What the share of people left unspent in the batches before, in the currency."""
    rows = Decision.objects.filter(
        ~replaced(),
        project=work.project,
        router=work.live.router,
        arm=Arm.ROUTED,
        rules__isnull=True,
        criterion__isnull=True,
    )
    people = Q(destination__in=[Destination.HUMAN, Destination.BOTH])
    count = rows.aggregate(all=Count("pk"), people=Count("pk", filter=people))
    price = work.live.human_price_micros * work.protocol.overlap / MICROS
    return float(work.live.people_share * count["all"] - count["people"]) * price


def _before(work: Work) -> Floats:
    """Gain for the money of what this router scored before, newest first."""
    rows = Decision.objects.filter(
        project=work.project, router=work.live.router, gain__isnull=False
    )
    gains = rows.order_by("-created_at").values_list("gain", flat=True)[:BEFORE]
    gain = np.array(list(gains), dtype=np.float64)
    return worth(
        gain, np.full(len(gain), work.live.human_price_micros * work.protocol.overlap / MICROS)
    )
