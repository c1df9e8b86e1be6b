"""How often a label of a source is wrong, from instances that several labelled. Pure.

Two labels of people on one pair differ when exactly one of them is wrong: with independent flips
of rate e that is 2e(1 − e) of the time, so e = (1 − √(1 − 2d))/2 of a disagreement d. A judge with
rate j differs from a person e + j − 2ej of the time, so j = (d − e)/(1 − 2e).
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations

from .labels import Case, Row, source_of

# Fewer pairs of labels say nothing of a rate.
FEWEST = 30
MOST = 0.45


def noise_rates(cases: Iterable[Case], criterion: str) -> dict[str, float]:
    """The flip rate of one label by source, each at most 0.45; sources with little overlap lack.

    A judge's needs people's labels beside it: judges who agree may be wrong alike.
    """
    differ: Counter[tuple[str, str]] = Counter()
    both: Counter[tuple[str, str]] = Counter()
    for case in cases:
        labels = [label for label in case.on(criterion) if len(label["ranking"]) > 1]
        for one, other in combinations(labels, 2):
            key = tuple(sorted((source_of(one), source_of(other))))
            for same in _compared(one, other):
                both[key[0], key[1]] += 1
                differ[key[0], key[1]] += not same
    shares = {key: differ[key] / n for key, n in both.items() if n >= FEWEST}
    people = {
        first: own_rate(share)
        for (first, second), share in shares.items()
        if first == second and first.endswith("human")
    }
    found = dict(people)
    for (first, second), share in shares.items():
        human, judge = (second, first) if second.endswith("human") else (first, second)
        if human in people and judge.endswith("judge"):
            found[judge] = other_rate(share, people[human])
    return {name: round(rate, 4) for name, rate in sorted(found.items())}


def own_rate(disagreement: float) -> float:
    """The flip rate of either of two labellers who are equally good."""
    return min(MOST, (1 - math.sqrt(max(0.0, 1 - 2 * disagreement))) / 2)


def other_rate(disagreement: float, rate: float) -> float:
    """The flip rate of one who disagrees so often with a labeller of a known rate."""
    return min(MOST, max(0.0, (disagreement - rate) / (1 - 2 * rate)))


def _compared(one: Row, other: Row) -> Iterator[bool]:
    """Of each pair of completions that both tell apart, whether they say the same."""
    if len(one["ranking"]) != len(other["ranking"]):
        return
    for first, second in combinations(range(len(one["ranking"])), 2):
        a = one["ranking"][first] - one["ranking"][second]
        b = other["ranking"][first] - other["ranking"][second]
        if a and b:
            yield (a > 0) == (b > 0)
