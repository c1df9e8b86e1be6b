"""A judge's answers against people's, and one version against another. Pure: no Django.

A unit is one pair of completions of one instance. An answer is the position preferred (0 the
first of the pair, 1 the second) or `TIE`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from annotation.quality.agreement import Matrix, percentiles
from annotation.quality.bias import Share, clustered, wilson

TIE = 2
ANSWERS = (0, 1, TIE)
RESAMPLES = 2000

# (instance, position, position).
Unit = tuple[int, int, int]


@dataclass(frozen=True)
class Opinion:
    """What people say about a unit: their answer, the prompt it belongs to, and who said it.

    `share` went to the first of the pair; `split`: not all of them say the same.
    """

    prompt: str
    answer: int
    share: float
    votes: int
    split: bool


@dataclass(frozen=True)
class Said:
    """What a judge says about a unit; `flipped` is None where it was asked in one order only."""

    answer: int
    flipped: bool | None = None


@dataclass(frozen=True)
class Figures:
    """A judge on the units that people answered too.

    `agreement`: a tie on one side alone counts half. `decided`: the units on which neither side
    ties. `confusion[people][judge]` counts answers in the order of `ANSWERS`.
    """

    units: int
    agreement: Share | None
    decided: Share | None
    flips: Share | None
    confusion: list[list[int]]


@dataclass(frozen=True)
class Difference:
    """Two versions on the same units: second minus first, with a bootstrap over prompts.

    `only_first`, `only_second`: units that one alone answers as people do; `p` is McNemar's exact
    two-sided probability of a split at least as uneven.
    """

    units: int
    prompts: int
    value: float
    low: float
    high: float
    only_first: int
    only_second: int
    p: float


def answer_of(share: float) -> int:
    """The answer that a share for the first of a pair stands for."""
    if abs(share - 0.5) < 1e-9:
        return TIE
    return 0 if share > 0.5 else 1


def credit(people: int, judge: int) -> float:
    """1 for the same answer, one half where one of the two ties, 0 for opposite answers."""
    if people == judge:
        return 1.0
    return 0.5 if TIE in (people, judge) else 0.0


def figures(people: Mapping[Unit, Opinion], judge: Mapping[Unit, Said]) -> Figures:
    """The judge's agreement with people on the units of both."""
    shared = sorted(people.keys() & judge.keys())
    pairs = [(people[unit], judge[unit]) for unit in shared]
    confusion = [[0] * len(ANSWERS) for _ in ANSWERS]
    for opinion, said in pairs:
        confusion[opinion.answer][said.answer] += 1
    told = [(o, s) for o, s in pairs if TIE not in (o.answer, s.answer)]
    turned = {unit[0]: judge[unit].flipped for unit in shared}
    known = [flipped for flipped in turned.values() if flipped is not None]
    return Figures(
        units=len(pairs),
        agreement=clustered([(o.prompt, credit(o.answer, s.answer)) for o, s in pairs]),
        decided=clustered([(o.prompt, float(o.answer == s.answer)) for o, s in told]),
        flips=wilson(sum(known), len(known)),
        confusion=confusion,
    )


def difference(
    people: Mapping[Unit, Opinion], first: Mapping[Unit, Said], second: Mapping[Unit, Said]
) -> Difference | None:
    """The paired difference in agreement with people; None without a unit of all three."""
    shared = sorted(people.keys() & first.keys() & second.keys())
    if not shared:
        return None
    rows = [
        (
            people[unit].prompt,
            credit(people[unit].answer, first[unit].answer),
            credit(people[unit].answer, second[unit].answer),
        )
        for unit in shared
    ]
    names = {name: row for row, name in enumerate(sorted({prompt for prompt, *_ in rows}))}
    sums: Matrix = np.zeros((len(names), 2))
    for prompt, one, other in rows:
        sums[names[prompt]] += (other - one, 1)
    low, high = percentiles(
        len(names), lambda weights: _ratio(weights @ sums), resamples=RESAMPLES, level=0.95, seed=0
    )
    only_first = sum(one > other for _, one, other in rows)
    only_second = sum(other > one for _, one, other in rows)
    value = _ratio(sums.sum(axis=0))
    p = mcnemar(only_first, only_second)
    return Difference(len(rows), len(names), value, low, high, only_first, only_second, p)


def _ratio(total: Matrix) -> float:
    return float(total[0] / total[1]) if total[1] else float("nan")


def mcnemar(first: int, second: int) -> float:
    """Exact two-sided probability of a split as uneven as this one, were both as good."""
    return min(1.0, 2 * at_least(max(first, second), first + second))


def at_least(hits: int, trials: int) -> float:
    """P(at least so many heads) of a fair coin; 1 without a trial."""
    return float(sum(comb(trials, k) for k in range(hits, trials + 1)) / 2**trials)


def holm(probabilities: Sequence[float]) -> list[float]:
    """Holm's correction for several tests, in the order given."""
    order = sorted(range(len(probabilities)), key=lambda place: probabilities[place])
    adjusted, running = [1.0] * len(probabilities), 0.0
    for rank, place in enumerate(order):
        running = max(running, (len(probabilities) - rank) * probabilities[place])
        adjusted[place] = min(1.0, running)
    return adjusted
