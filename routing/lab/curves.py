"""From what a replay counted to its points, intervals and sentences."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Bools
from routing.lab.contestants import ALL_HUMAN, ALL_JUDGE, LEARNED, ORACLE, RANDOM, SIGNAL
from routing.lab.dual import DualSet
from routing.lab.learning_value import learning_value
from routing.lab.replay import Asked, Lead, Point, Progress, Replayed, Runs, Stake, names_of, run
from routing.lab.replicate import LONGER, Replicate
from routing.lab.sensitivity import Sensitivity, judge_sensitivity, verdict
from routing.lab.statistics import FEW_PROMPTS, Resampler, Tally, tally
from routing.lab.wording import overall

# The single signals that a combination is measured against.
UNCERTAINTY = "judge-uncertainty"
# Fewer dual-labelled instances than this per router are pointed out.
SMALL_SEED = 50


def replay(
    dual: DualSet, asked: Asked, progress: Progress | None = None, fitted: Bools | None = None
) -> Replayed:
    """Run every arm at every budget and tabulate; arguments and errors as of `run`."""
    return tabulate(run(dual, asked, progress, fitted))


@dataclass(frozen=True, eq=False)
class _Budget:
    """The tallies of one budget by arm, at both levels."""

    share: float
    runs: Sequence[Replicate]
    label: dict[str, Tally]
    model: dict[str, Tally]


def tabulate(runs: Runs) -> Replayed:
    """Points, stakes and sentences, every interval over the same draws of prompts and seeds."""
    names = names_of(runs.arms)
    budgets = [
        _counted(share, found, list(names), runs.prompts)
        for share, found in zip(runs.asked.budgets, runs.by_budget, strict=True)
    ]
    rng = np.random.default_rng(runs.asked.seeds + runs.prompts)
    draws = Resampler(runs.asked.seeds, runs.prompts, runs.options.resamples, rng)
    scored = int((budgets[0].label[RANDOM].count.sum(axis=0) > 0).sum())
    if not scored:
        raise InvalidInput("No instance could be scored: there is no strict majority of votes.")
    points = [_point(runs, b, key, name, draws) for b in budgets for key, name in names.items()]
    kept = tuple(point for point in points if point is not None)
    stakes = tuple(_stake(runs, b, names, scored, draws) for b in budgets)
    leads = tuple(lead for b in budgets if (lead := _lead(b, names, draws)))
    return Replayed(
        judge=runs.dual.judge_name,
        truth=runs.asked.truth,
        unit=runs.dual.unit,
        simulated=runs.dual.simulated,
        instances=len(runs.dual),
        prompts=scored,
        prompts_note=f"few prompts ({scored})" if scored < FEW_PROMPTS else f"{scored} prompts",
        seeds=runs.asked.seeds,
        folds=runs.options.folds,
        left_out=_left_out(runs),
        stakes=stakes,
        points=kept,
        leads=leads,
        longer_label=draws.interval(budgets[0].label[LONGER]),
        longer_model=draws.interval(budgets[0].model[LONGER]) if budgets[0].model else None,
        verdict=overall(kept, leads, scored),
        sensitivity=max(
            (stake.sensitivity for stake in stakes if stake.sensitivity),
            key=lambda s: s.difference.low,
            default=None,
        ),
        notes=_notes(runs, names),
        value=learning_value(runs.dual, runs.options, runs.asked.seeds),
    )


def _counted(share: float, runs: Sequence[Replicate], keys: list[str], prompts: int) -> _Budget:
    """An arm that failed in one seed is left out at this budget."""
    label_place = [run.label_place for run in runs]
    model_place = [run.model_place for run in runs]
    tried = [*(key for key in keys if all(key in run.labels for run in runs)), LONGER]
    label = {k: tally([run.label_hits[k] for run in runs], label_place, prompts) for k in tried}
    model = {
        k: tally([run.model_hits[k] for run in runs], model_place, prompts)
        for k in tried
        if all(k in run.model_hits and len(run.model_place) for run in runs)
    }
    return _Budget(share, runs, label, model)


def _point(runs: Runs, budget: _Budget, key: str, name: str, draws: Resampler) -> Point | None:
    if key not in budget.label:
        return None
    mine, chance, ceiling = (budget.label[k] for k in (key, RANDOM, ORACLE))
    routed = key not in {ALL_HUMAN, ALL_JUDGE, RANDOM}
    return Point(
        key=key,
        name=name,
        budget=budget.share,
        label_accuracy=draws.interval(mine),
        model_accuracy=draws.interval(budget.model[key]) if key in budget.model else None,
        human_labels=_mean(runs.votes.size[run.labels[key].human].sum() for run in budget.runs),
        judge_labels=_mean(run.labels[key].judge.sum() for run in budget.runs),
        cost=_mean(_price(runs, run, key) for run in budget.runs),
        against_random=draws.difference(mine, chance) if routed else None,
        captured=draws.captured(mine, chance, ceiling) if routed else None,
    )


def _price(runs: Runs, found: Replicate, key: str) -> float:
    bought = found.labels[key]
    people = (runs.votes.size * runs.dual.vote_cost)[bought.human].sum()
    return float(people + runs.dual.judge_cost[bought.judge].sum())


def _stake(
    runs: Runs, budget: _Budget, names: dict[str, str], scored: int, draws: Resampler
) -> Stake:
    cost = runs.votes.size * runs.dual.vote_cost
    against = {
        key: draws.difference(budget.label[key], budget.label[RANDOM])
        for key in names
        if key in budget.label and key not in {ALL_HUMAN, ALL_JUDGE, RANDOM, ORACLE}
    }
    plans = [found.plan for found in budget.runs]
    return Stake(
        budget=budget.share,
        limit=_mean(plan.budget for plan in plans),
        audit=_mean(cost[plan.audit].sum() for plan in plans),
        seed=_mean(cost[plan.seed].sum() for plan in plans),
        routed=_mean(sum(plan.routed) for plan in plans),
        seed_instances=_mean(plan.seed.sum() for plan in plans),
        verdict=verdict(against, names, scored),
        sensitivity=_sensitivity(budget, draws),
    )


def _sensitivity(budget: _Budget, draws: Resampler) -> Sensitivity | None:
    if ORACLE not in budget.model:
        return None
    pair = budget.model[ORACLE], budget.model[ALL_JUDGE]
    return judge_sensitivity(draws.difference(*pair), draws.detectable(*pair))


def _lead(budget: _Budget, names: dict[str, str], draws: Resampler) -> Lead | None:
    """Against the single signal that does best here, chosen with hindsight: to its advantage."""
    rivals = [k for k in budget.label if k.startswith(SIGNAL) or k == UNCERTAINTY]
    if LEARNED not in budget.label or not rivals:
        return None
    best = max(rivals, key=lambda k: budget.label[k].value)
    chance, ceiling = budget.label[RANDOM], budget.label[ORACLE]
    difference = draws.difference(budget.label[LEARNED], budget.label[best])
    if difference is None:
        return None
    return Lead(
        budget.share,
        names[best],
        difference,
        draws.captured(budget.label[LEARNED], chance, ceiling),
        draws.captured(budget.label[best], chance, ceiling),
        best,
    )


def _left_out(runs: Runs) -> dict[str, int]:
    votes, found = runs.votes, dict(runs.dual.left_out)
    undecided = np.isnan(votes.held_out) & ~votes.single
    for reason, count in (
        ("have one human vote only and are not scored", int(votes.single.sum())),
        ("have no strict majority of held-out votes and are not scored", int(undecided.sum())),
    ):
        if count:
            found[reason] = count
    return found


def _notes(runs: Runs, names: dict[str, str]) -> tuple[str, ...]:
    notes = []
    if runs.dual.simulated:
        notes.append("Labels in this replay are simulated.")
    if runs.dual.differences is None:
        notes.append("No embeddings: reward models, HyPER and influence were not tried.")
    for share, found in zip(runs.asked.budgets, runs.by_budget, strict=True):
        why = {key: reason for each in found for key, reason in each.problems.items()}
        notes += [f"{names[k]} left out at {100 * share:.0f} %: {r}" for k, r in why.items()]
        parts = runs.options.folds
        each = _mean(run.plan.seed.sum() for run in found) * (parts - 1) / parts
        if each < SMALL_SEED:
            notes.append(
                f"At {100 * share:.0f} % a router saw about {each:.0f} dual-labelled instances; "
                f"under {SMALL_SEED} it can hardly learn."
            )
    notes += oddities(runs.dual)
    return tuple(notes)


def oddities(dual: DualSet) -> list[str]:
    """What is odd about the judge or the labels: it decides how the figures are to be read."""
    sides = np.array([np.mean(v) for v in dual.votes])
    decided = sides != 0.5
    agrees = np.sign(dual.judge - 0.5)[decided] == np.sign(sides - 0.5)[decided]
    notes = []
    if decided.any() and agrees.all():
        notes.append("The judge always agrees with people: there is nothing to route.")
    if decided.any() and not agrees.any():
        notes.append("The judge never agrees with people: use none of its labels.")
    if decided.any() and len(set((sides[decided] > 0.5).tolist())) == 1:
        notes.append("People always prefer the same place: labels are one-sided, check the order.")
    return notes


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([float(value) for value in values]))
