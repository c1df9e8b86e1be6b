"""Which groups go into which micro-batch of which step: a pure function of lengths and seed.

A step is a list of micro-batches and a micro-batch a list of group numbers, so a run resumes by
counting steps, and several processes can share a step by taking every n-th micro-batch.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

MicroBatch = list[int]
Step = list[MicroBatch]

# Groups are sorted by length inside windows of this many groups per micro-batch: long enough to
# waste little, short enough that batches differ from epoch to epoch.
WINDOW = 8


def micro_batches(costs: Sequence[int], order: Sequence[int], budget: int) -> list[MicroBatch]:
    """Cut `order` into runs of at most `budget` tokens; a group over the budget stands alone."""
    batches: list[MicroBatch] = []
    used = budget
    for number in order:
        if used + costs[number] > budget:
            batches.append([])
            used = 0
        batches[-1].append(number)
        used += costs[number]
    return batches


def sorted_batches(costs: Sequence[int], budget: int) -> list[MicroBatch]:
    """Length-sorted micro-batches over all groups, longest first; for passes without training."""
    order = sorted(range(len(costs)), key=lambda number: (-costs[number], number))
    return micro_batches(costs, order, budget)


def epoch_steps(
    costs: Sequence[int],
    *,
    budget: int,
    accumulate: int,
    seed: int,
    epoch: int,
    ranks: Sequence[float] | None = None,
) -> list[Step]:
    """Steps of one epoch: every group once, in an order that depends on seed and epoch only.

    Args:
        ranks: a number per group; those with lower ones come first. By default the order is random.
    """
    chance = random.Random(f"{seed}/{epoch}")
    order = list(range(len(costs)))
    chance.shuffle(order)
    if ranks is not None:
        order.sort(key=lambda number: ranks[number])
    mean_cost = max(sum(costs) / max(len(costs), 1), 1)
    window = max(int(WINDOW * budget / mean_cost), 1)
    batches: list[MicroBatch] = []
    for start in range(0, len(order), window):
        part = sorted(order[start : start + window], key=lambda number: -costs[number])
        batches += micro_batches(costs, part, budget)
    if ranks is None:
        chance.shuffle(batches)
    return [batches[k : k + accumulate] for k in range(0, len(batches), accumulate)]


def all_steps(
    costs: Sequence[int],
    *,
    budget: int,
    accumulate: int,
    seed: int,
    start: int = 0,
    ranks: Sequence[float] | None = None,
) -> Iterator[Step]:
    """Endless steps, epoch after epoch, beginning with step number `start`."""

    def epochs() -> Iterator[Step]:
        for epoch in itertools.count():
            yield from epoch_steps(
                costs,
                budget=budget,
                accumulate=accumulate,
                seed=seed,
                epoch=epoch,
                ranks=ranks,
            )

    return itertools.islice(epochs(), start, None)
