"""All-human, all-judge, random and routed mixes at one budget, on data that hold both labels.

How it is measured, so that no arm has an advantage:

* **Votes.** A salted hash divides the votes of an instance into those that can be *bought* (the
  largest odd number ≤ max(1, n // 2)) and those *held out*, which no arm but the oracle reads.
  Label accuracy is the agreement of an arm's label with the strict majority of the held-out
  votes: the side with more votes than the other and than ties. Instances without one, or with a
  single vote, are not scored and are counted. A label that is a tie is wrong. All-human is
  therefore not 100 % by construction: it is as good as the votes one can buy.
* **Prompts.** Each seed of the comparison orders the prompts by its own salted hash into test
  (about 30 %) and two folds of at least four prompts. A router is fitted on the dual-labelled
  seed of one fold and routes the pool of the other; then they swap. No router, threshold or head
  is scored on a prompt it was fitted on.
* **Money.** The budget is a share of the price of all bought labels outside the test prompts. It
  pays the audit arm first, then the seed, then routing; every mix arm pays the same for all
  three, and audit and seed instances carry their human label in all of them. An arm that reads
  judge signals pays the judge on every instance.
* **One machine labeller.** A comparison has one judge.
* **Reward models** are convex heads on frozen embedding differences, trained on all instances
  outside the test prompts with the arm's labels, and scored on the test prompts against the
  strict majority of all votes there. The longer completion is the baseline at both levels.
* **The oracle** buys where the bought human label agrees with the held-out majority and the
  judge's does not. It reads the truth: a ceiling, never a product.
* **Intervals** resample prompts crossed with seeds (95 %, percentile); differences are paired.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from core.exceptions import InvalidInput
from routing.lab import contestants as arms
from routing.lab.dual import DualSet
from routing.lab.plan import Options
from routing.lab.replicate import LEARNED, LONGER, ROUTED, UNCERTAINTY, Replicate, replicate
from routing.lab.sensitivity import Sensitivity, judge_sensitivity, verdict
from routing.lab.statistics import FEW_PROMPTS, Interval, Resampler, Tally, tally
from routing.lab.votes import Votes, divide

NAMES = {
    arms.ALL_HUMAN: "all-human",
    arms.ALL_JUDGE: "all-judge",
    arms.RANDOM: "random mix",
    ROUTED: "routed mix (HyPER)",
    LEARNED: "learned error",
    UNCERTAINTY: "judge uncertainty",
    arms.ORACLE: "oracle",
}
ROUTERS = (ROUTED, LEARNED, UNCERTAINTY)
# Fewer dual-labelled instances than this per router are pointed out.
SMALL_SEED = 50


@dataclass(frozen=True)
class Arm:
    """One row. Labels and cost are means over seeds, on the instances outside the test prompts.

    `captured` is (arm − random) / (oracle − random) in label accuracy.
    """

    key: str
    name: str
    label_accuracy: Interval | None
    model_accuracy: Interval | None
    human_labels: float
    judge_labels: float
    cost: float
    against_random: Interval | None
    captured: float | None


@dataclass(frozen=True)
class Comparison:
    """The summary table and what must be known to read it. Plain JSON through `to_json`."""

    judge: str
    simulated: bool
    unit: str
    arms: tuple[Arm, ...]
    longer_label: Interval | None
    longer_model: Interval | None
    instances: int
    left_out: Mapping[str, int]
    prompts: int
    prompts_note: str
    seeds: int
    budget: Mapping[str, float]
    sensitivity: Sensitivity | None
    verdict: str
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def compare(dual: DualSet, options: Options | None = None) -> Comparison:
    """Replay every arm on `dual` and tabulate what was measured.

    Raises InvalidInput for no instances, fewer than 12 prompts, or an empty budget, and
    BudgetExceeded, naming the minimum, for a budget that cannot pay the audit arm.
    """
    options = options or Options()
    if not len(dual):
        raise InvalidInput("No instance has both human and judge labels: there is nothing to try.")
    if options.seeds < 2:
        raise InvalidInput("Intervals over seeds need at least 2 seeds.")
    votes = divide(dual.votes, dual.keys, options.salt)
    prompts, number = np.unique(np.array(dual.prompts), return_inverse=True)
    runs = [replicate(dual, votes, number, options, i) for i in range(options.seeds)]
    return _tabulate(dual, votes, runs, len(prompts), options)


@dataclass(frozen=True, eq=False)
class _Figures:
    """Hits by arm, seed and prompt, at both levels, and the draws that give their intervals."""

    label: Mapping[str, Tally]
    model: Mapping[str, Tally]
    resampler: Resampler


def _tabulate(
    dual: DualSet, votes: Votes, runs: list[Replicate], prompts: int, options: Options
) -> Comparison:
    kept = [name for name in NAMES if all(name in run.labels for run in runs)]
    figures = _figures(runs, prompts, kept, options)
    rows = tuple(_arm(name, dual, votes, runs, figures) for name in kept)
    scored = int((figures.label[arms.RANDOM].count.sum(axis=0) > 0).sum())
    against = {row.key: row.against_random for row in rows if row.key in ROUTERS}
    return Comparison(
        judge=dual.judge_name,
        simulated=dual.simulated,
        unit=dual.unit,
        arms=rows,
        longer_label=figures.resampler.interval(figures.label[LONGER]),
        longer_model=figures.resampler.interval(figures.model[LONGER]),
        instances=len(dual),
        left_out=_left_out(dual, votes),
        prompts=scored,
        prompts_note=f"few prompts ({scored})" if scored < FEW_PROMPTS else f"{scored} prompts",
        seeds=len(runs),
        budget=_budget(dual, votes, runs, options),
        sensitivity=_sensitivity(figures),
        verdict=verdict(against, NAMES, scored),
        notes=_notes(dual, runs),
    )


def _figures(runs: list[Replicate], prompts: int, kept: list[str], options: Options) -> _Figures:
    label_place = [run.label_place for run in runs]
    model_place = [run.model_place for run in runs]
    label = {
        name: tally([run.label_hits[name] for run in runs], label_place, prompts)
        for name in (*kept, LONGER)
    }
    model = {
        name: tally([run.model_hits[name] for run in runs], model_place, prompts)
        for name in (*kept, LONGER)
        if all(name in run.model_hits for run in runs)
    }
    rng = np.random.default_rng(len(runs) + prompts)
    return _Figures(label, model, Resampler(len(runs), prompts, options.resamples, rng))


def _sensitivity(figures: _Figures) -> Sensitivity | None:
    if arms.ORACLE not in figures.model:
        return None
    pair = figures.model[arms.ORACLE], figures.model[arms.ALL_JUDGE]
    return judge_sensitivity(
        figures.resampler.difference(*pair), figures.resampler.detectable(*pair)
    )


def _arm(name: str, dual: DualSet, votes: Votes, runs: list[Replicate], figures: _Figures) -> Arm:
    mine, chance, ceiling = (figures.label[a] for a in (name, arms.RANDOM, arms.ORACLE))
    room = ceiling.value - chance.value
    routed = name in (*ROUTERS, arms.ORACLE)
    return Arm(
        key=name,
        name=NAMES[name],
        label_accuracy=figures.resampler.interval(mine),
        model_accuracy=(
            figures.resampler.interval(figures.model[name]) if name in figures.model else None
        ),
        human_labels=_mean(votes.size[run.labels[name].human].sum() for run in runs),
        judge_labels=_mean(run.labels[name].judge.sum() for run in runs),
        cost=_mean(_price(dual, votes, run, name) for run in runs),
        against_random=figures.resampler.difference(mine, chance) if routed else None,
        captured=(mine.value - chance.value) / room if routed and room > 0 else None,
    )


def _mean(values: Iterable[float]) -> float:
    return float(np.mean([float(value) for value in values]))


def _price(dual: DualSet, votes: Votes, run: Replicate, name: str) -> float:
    bought = run.labels[name]
    people = (votes.size * dual.vote_cost)[bought.human].sum()
    return float(people + dual.judge_cost[bought.judge].sum())


def _left_out(dual: DualSet, votes: Votes) -> dict[str, int]:
    """The caller's reasons, then why an instance with both sources is not scored."""
    undecided = np.isnan(votes.held_out) & ~votes.single
    found = {
        "not scored, one human vote only": int(votes.single.sum()),
        "not scored, no strict majority of the held-out votes": int(undecided.sum()),
        "not scored on test prompts, no strict majority of all votes": int(
            np.isnan(votes.all_votes).sum()
        ),
    }
    return dict(dual.left_out) | {reason: count for reason, count in found.items() if count}


def _budget(
    dual: DualSet, votes: Votes, runs: list[Replicate], options: Options
) -> dict[str, float]:
    """Means over seeds, in the unit of the costs; `routed` is what is left for routing."""
    cost = votes.size * dual.vote_cost
    return {
        "share": options.budget,
        "limit": _mean(run.plan.budget for run in runs),
        "audit": _mean(cost[run.plan.audit].sum() for run in runs),
        "seed": _mean(cost[run.plan.seed].sum() for run in runs),
        "routed": _mean(sum(run.plan.routed) for run in runs),
        "seed_instances": _mean(run.plan.seed.sum() for run in runs),
    }


def _notes(dual: DualSet, runs: list[Replicate]) -> tuple[str, ...]:
    notes = []
    if dual.simulated:
        notes.append("Labels in this comparison are simulated.")
    if dual.differences is None:
        notes.append("No embeddings: reward models and the HyPER router were not tried.")
    reasons = {name: why for run in runs for name, why in run.problems.items()}
    notes += [f"{NAMES[name]} was left out: {why}" for name, why in reasons.items()]
    each = _mean(run.plan.seed.sum() for run in runs) / 2
    if each < SMALL_SEED:
        notes.append(
            f"A router saw about {each:.0f} dual-labelled instances; under {SMALL_SEED} it can "
            "hardly learn."
        )
    return tuple(notes)
