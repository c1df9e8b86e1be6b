"""Fitting the round's router on its seed, and sending the pool to people or to the judge."""

from typing import Any

import numpy as np

from annotation.instances.models import Signal
from annotation.judges.verdicts import signal_name
from annotation.ledger.selectors import state
from annotation.queue.models import Arm, Destination
from core.exceptions import InvalidInput
from jobs.exceptions import JobFailed
from jobs.models import Job
from routing.decisions.models import Router
from routing.decisions.people import preferred_by_people
from routing.decisions.services import Choice, save_router
from routing.features.signals import with_judge
from routing.features.table import FeatureTable, Floats
from routing.predictor.report import report_of
from routing.strategies import audit, registry
from routing.strategies.problem import Problem, Seed
from routing.strategies.propensity import propensities
from routing.strategies.selecting import select

from .population import SEED, Member
from .work import MICROS, PEOPLE, Work


def result_of(job: Job) -> dict[str, Any]:
    """The result of a child job.

    Raises:
        JobFailed: it did not succeed.
    """
    if job.state != "succeeded":
        raise JobFailed(f"{job.kind} {job.state}: {job.error}")
    return dict(job.result or {})


def seed_of(work: Work, table: FeatureTable, members: list[Member]) -> Seed:
    """The dual-labelled seed: people's stored consensus, and what the round's judge says."""
    human, judge = (
        preferred_by_people(work.criterion, [m.pk for m in members]),
        _signal(work, members, "judge_p"),
    )
    both = ~(np.isnan(human) | np.isnan(judge))
    if not both.any():
        raise InvalidInput("No seed instance carries a human and a judge label: label the seed.")
    chosen = [member for member, labelled in zip(members, both, strict=True) if labelled]
    differences = work.differences(chosen)
    return Seed(
        problem=Problem(
            tuple(m.external_id for m in chosen),
            table.take(both),
            np.full(len(chosen), work.human_price / MICROS),
            judge[both],
            differences,
        ),
        prompts=tuple(m.prompt_hash for m in chosen),
        human=human[both],
        judge=judge[both],
        differences=differences,
    )


def fit_router(work: Work) -> Router:
    """Fit the round's strategy on the seed and store it as numbers."""
    members = work.population.of(SEED)
    seed = seed_of(work, _features(work, members), members)
    key = work.options.spec.key
    fitted = registry.fit(key, seed, _told(work, key))
    return save_router(
        project=work.project,
        strategy=key,
        parameters=dict(fitted.to_json()),
        report=report_of(fitted, seed),
        dual_labelled=len(seed),
        job=work.context.job,
    )


def _told(work: Work, key: str) -> dict[str, Any]:
    """The options of the fit."""
    if key.startswith("hyper-"):
        return {"salt": work.project.protocol.salt, "mixes": work.options.mixes}
    return {"salt": work.project.protocol.salt} if key == "escalation" else {}


def _features(work: Work, members: list[Member]) -> FeatureTable:
    """Text features; the judge's confidence and flips too where the strategy reads them."""
    table = work.features(members)
    if not work.options.judge_first:
        return table
    return with_judge(
        table,
        _signal(work, members, "judge_p"),
        _signal(work, members, "judge_flip"),
    )


def _signal(work: Work, members: list[Member], kind: str) -> Floats:
    """(n,) a signal of the round's judge, there as soon as it is asked; NaN where it was not."""
    name = signal_name(kind, work.judge)
    rows = Signal.objects.filter(instance__in=[m.pk for m in members], name=name)
    stored = dict(rows.values_list("instance_id", "value"))
    return np.array([stored.get(m.pk, np.nan) for m in members], dtype=np.float64)


def route(work: Work, pool: list[Member]) -> list[Choice]:
    """Where every pool instance goes: audit arm first, then the best gain for the money.

    Raises:
        BudgetExceeded: the budget cannot pay the audit arm; the message names the minimum.
    """
    if work.row.router is None:
        raise JobFailed("The round has no router yet.")
    salt, share = work.project.protocol.salt, work.options.audit_share
    keys = tuple(m.external_id for m in pool)
    # In the budget's currency, so that a refusal names an amount that people know.
    cost = np.full(len(pool), work.human_price / MICROS)
    audited = audit.draw(keys, salt, share)
    rest = audit.reserve(audited, cost, state(work.budget(PEOPLE)).free / MICROS)
    router = registry.load(work.row.router.parameters)
    problem = _problem(work, pool, keys, cost)
    scores = router.score(problem)
    chosen = select(router, problem, scores, rest, salt=salt, closed=audited)
    # The audited ones too: had they not been drawn, the router would have sent them by this rule.
    wanted = propensities(router, problem, scores, chosen, closed=audited)
    propensity = audit.propensities(wanted, share)
    return [
        _choice(
            work,
            member,
            audited=bool(audited[i]),
            chosen=bool(chosen[i]),
            gain=float(scores.gain[i]),
            propensity=float(propensity[i]),
            reason=scores.reason[i],
        )
        for i, member in enumerate(pool)
    ]


def _problem(work: Work, pool: list[Member], keys: tuple[str, ...], cost: Floats) -> Problem:
    """The pool as strategies read it; what the judge says only where it was asked before."""
    judge = _signal(work, pool, "judge_p") if work.options.judge_first else None
    return Problem(keys, _features(work, pool), cost, judge, work.differences(pool))


def _choice(
    work: Work,
    member: Member,
    *,
    audited: bool,
    chosen: bool,
    gain: float,
    propensity: float,
    reason: str,
) -> Choice:
    if audited:
        destination, arm, why = Destination.BOTH, Arm.AUDIT, "drawn at random for the audit arm"
    elif chosen:
        # A strategy that reads the judge has had its label: such an instance carries both.
        destination = Destination.BOTH if work.options.judge_first else Destination.HUMAN
        arm, why = Arm.ROUTED, reason
    else:
        destination, arm = Destination.JUDGE, Arm.ROUTED
        why = "others promise more for the money"
    price = {
        Destination.BOTH: work.human_price + work.judge_price,
        Destination.HUMAN: work.human_price,
        Destination.JUDGE: work.judge_price,
    }[destination]
    return Choice(
        instance_id=member.pk,
        destination=destination,
        arm=arm,
        propensity=propensity,
        reason=why,
        price_micros=price,
        gain=gain,
        priority=gain,
    )
