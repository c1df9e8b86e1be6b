"""Routing each criterion of an instance by itself: people are asked some, the judge the others.

An instance has one decision about where it goes as a whole, and one for each criterion with its
own destination, gain and propensity. The arms that are drawn are asked everything. What is routed
this way is not looked at again.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from django.db import transaction

from annotation.projects.models import Criterion
from annotation.queue.models import Arm, Destination
from annotation.queue.services import NEVER
from jobs.context import JobContext
from routing.decisions.services import Choice, write_decisions
from routing.features.table import Bools, Floats
from routing.rules.matching import TO_PEOPLE
from routing.strategies.criteria import CriteriaChoice, choose_criteria
from routing.strategies.problem import Scores

from . import money
from .asking import finish_run
from .batches import CHEAPER, Batch, Chosen, arms_of, choose_people, plan_judge
from .choosing import propensities
from .drift import explore_share
from .ruling import laid_over, unruled
from .scoring import Scored, ask_first, scores_about, strategy_of
from .work import Row, Work
from .writing import Written, write

# What goes there goes with all its criteria.
APART_FROM = frozenset({Destination.VERIFIER, Destination.DROP})
# What goes there is answered by it alone, on every criterion.
ALONE = frozenset({Destination.JUDGE, Destination.VERIFIER})


def route_by_criterion(context: JobContext, work: Work, rows: Sequence[Row]) -> Written:
    """As `batches.route_batch`, with a choice for each criterion.

    Raises:
        Stalled: as there.
    """
    arms = arms_of(work, rows)
    ask_first(context, work, rows, arms)
    found = _with_rules(_choose(work, rows), rows)
    scored = _as_a_whole(work, rows, found)
    chosen = choose_people(work, rows, arms, scored)
    batch = Batch(work, rows, arms, scored, chosen)
    asked = found.mask & chosen.people[:, None]
    chances = _chances(work, chosen, asked)
    choices = [_whole(batch.choice(i), found, asked[i]) for i in range(len(rows))]
    audit = [each for each in choices if each.arm == Arm.AUDIT]
    others = [each for each in choices if each.arm != Arm.AUDIT]
    apart = [
        choice
        for i, each in enumerate(choices)
        if each.arm == Arm.ROUTED and each.destination not in APART_FROM
        for choice in _each(work, each, found, asked[i], chances[i], i)
    ]
    judged = plan_judge(work, [choice.instance_id for choice in audit])
    with transaction.atomic():
        fresh = _undecided(work, rows)
        written = write(work, audit, others, judged)
        apart = [each for each in apart if each.instance_id in fresh]
        write_decisions(project=work.project, choices=apart, router=work.live.router)
    for run in written.runs:
        finish_run(context, run)
    return written


def _undecided(work: Work, rows: Sequence[Row]) -> set[int]:
    """Those that nobody has decided about, locked: of two who decide at once the second waits."""
    of = work.project.instances.filter(pk__in=[row.pk for row in rows])
    list(of.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    fresh = of.filter(assignment__isnull=True).exclude(state__in=NEVER)
    return set(fresh.values_list("pk", flat=True))


def _choose(work: Work, rows: Sequence[Row]) -> CriteriaChoice:
    """What to ask people, within their share of what asking everything would cost."""
    cost = np.array([row.cost / money.LABEL for row in rows], dtype=np.float64)
    alone = cost * money.part_of(1, len(work.criteria))
    free = unruled(rows)
    by = [replace(scores_about(work, each, rows), cost=alone) for each in work.criteria]
    return choose_criteria(
        by,
        work.live.people_share * float(cost[free].sum()),
        criteria=[each.key for each in work.criteria],
        keys=[row.key for row in rows],
        salt=work.salt,
        shared=money.READING,
        closed=np.repeat(~free[:, None], len(work.criteria), axis=1),
    )


def _with_rules(found: CriteriaChoice, rows: Sequence[Row]) -> CriteriaChoice:
    """A rule speaks of the whole instance: people are asked everything, or nothing."""
    mask = found.mask.copy()
    for i, row in enumerate(rows):
        if row.rule is not None:
            mask[i] = row.rule.to in TO_PEOPLE
    return replace(found, mask=mask)


def _as_a_whole(work: Work, rows: Sequence[Row], found: CriteriaChoice) -> Scored:
    """The instance by the gains of what people would be asked about it."""
    gains = np.stack([scores.gain for scores in found.scores], axis=1)
    asked = found.mask.any(axis=1)
    whole = np.where(found.mask, np.where(np.isfinite(gains), gains, 0), 0).sum(axis=1)
    gain = np.asarray(np.where(asked, whole, gains.max(axis=1)), dtype=np.float64)
    cost = np.array([row.cost / money.LABEL for row in rows], dtype=np.float64)
    reasons = [found.reason(i) or CHEAPER for i in range(len(rows))]
    wanted = np.asarray(asked, dtype=np.float64)
    scores = laid_over(Scores(gain, cost, wanted, reasons), rows)
    return Scored(scores, wanted, strategy_of(work).reads_judge)


def _whole(choice: Choice, found: CriteriaChoice, asked: Bools) -> Choice:
    """With the criteria that people are asked; the judge answers the others, or all by itself."""
    if choice.arm != Arm.ROUTED:
        return choice
    if choice.destination in ALONE:
        return replace(choice, criteria=found.criteria)
    if not asked.any():
        return choice
    keys = tuple(found.criteria[c] for c in np.flatnonzero(asked))
    to = Destination.HUMAN if asked.all() and choice.destination == "human" else Destination.BOTH
    return replace(choice, destination=to, criteria=() if asked.all() else keys)


def _chances(work: Work, chosen: Chosen, asked: Bools) -> Floats:
    """(n, criteria) e of each: π is 1 where people are asked it and it is paid, else 0.

    With π = 0 it is what a whole instance has that nobody is asked about, if there is one: less
    than the usual where the exploration of this batch could not be paid.
    """
    usual = propensities(
        asked.astype(np.float64),
        audit_share=work.live.audit_share,
        explore_share=explore_share(work),
    )
    return np.where(asked, usual, np.minimum(usual, chosen.propensity.min()))


def _each(  # noqa: PLR0917 - the parts of its rows
    work: Work, whole: Choice, found: CriteriaChoice, asked: Bools, chances: Floats, i: int
) -> list[Choice]:
    """One choice for each criterion of an instance that was routed, with its (criteria,) e."""
    return [
        _one(whole, criterion, found.scores[c], bool(asked[c]), float(chances[c]), i)
        for c, criterion in enumerate(work.criteria)
    ]


def _one(  # noqa: PLR0917 - the parts of one row
    whole: Choice, criterion: Criterion, scores: Scores, asked: bool, e: float, i: int
) -> Choice:
    gain = float(scores.gain[i])
    return replace(
        whole,
        destination=Destination.HUMAN if asked else Destination.JUDGE,
        propensity=e,
        reason=whole.reason if whole.rules_id else scores.reason[i] if asked else CHEAPER,
        gain=gain if np.isfinite(gain) else None,
        price_micros=0,
        criterion_id=criterion.pk,
        criteria=(),
    )
