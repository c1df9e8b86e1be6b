"""How HyPER spends a budget: by gain, by search, or only while it pays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, Floats
from routing.predictor.mixes import Hot, draw_at, patterns

Selection = Literal["top-k", "simulated", "positive", "marginal"]
SELECTIONS: tuple[Selection, ...] = get_args(Selection)
# The path of a marginal selection is predicted at so many points.
STEPS = 50


@dataclass(frozen=True)
class Rule:
    """`selection`: the best gains for the money until it is spent (top-k), the best predicted of
    `draws` random mixes of the budget (simulated), top-k without gains of 0 and below (positive),
    or top-k until the predicted accuracy per unit of the budget falls under `epsilon` (marginal).

    `share` of all instances is where gains are read while no budget is known. `epsilon` speaks of
    a model trained on as many instances as the seed has.
    """

    selection: Selection = "top-k"
    share: float = 0.25
    epsilon: float = 0.0
    draws: int = 500

    def __post_init__(self) -> None:
        if self.selection not in SELECTIONS:
            raise InvalidInput(
                f"There is no selection {self.selection!r}: choose one of {', '.join(SELECTIONS)}."
            )
        if not 0 < self.share <= 1:
            raise InvalidInput(f"The share must lie between 0 and 1, not {self.share}.")
        if self.draws < 1:
            raise InvalidInput("A simulated search needs at least one draw.")


def until_marginal(
    chosen: Bools,
    value: Floats,
    cost: Floats,
    one_hot: Hot,
    *,
    predict: Callable[[Floats], Floats],
    epsilon: float,
) -> Bools:
    """The part of `chosen` to buy before a step of the path gains less than ε per unit of cost.

    `value` (n,) orders the path; `predict` gives the accuracy of counts (steps, columns).
    """
    path = np.flatnonzero(chosen)
    path = path[np.argsort(-value[path], kind="stable")]
    steps = np.array_split(path, min(STEPS, max(1, len(path))))
    counts = np.stack([one_hot[step].sum(axis=0, dtype=np.float64) for step in steps])
    reached = predict(np.vstack([np.zeros(one_hot.shape[1]), counts.cumsum(axis=0)]))
    price = np.array([max(cost[step].sum(), 1e-300) for step in steps])
    poor = np.flatnonzero(np.diff(reached) / price < epsilon)
    kept = steps[: poor[0]] if len(poor) else steps
    mask = np.zeros(len(chosen), dtype=bool)
    for step in kept:
        mask[step] = True
    return mask


def best_drawn(
    one_hot: Hot,
    cost: Floats,
    budget: float,
    predict: Callable[[Floats], Floats],
    *,
    draws: int,
    salt: str,
) -> Bools:
    """The mix with the best prediction of `draws` random ones that cost at most the budget."""
    rng = np.random.default_rng(int(unit_interval(salt, "simulated") * 2**32))
    rows, kind = patterns(one_hot)
    best, found = -np.inf, np.zeros(len(one_hot), dtype=bool)
    for _ in range(draws):
        mask = draw_at(rows, kind, cost, budget, rng)
        counts = np.bincount(kind[mask], minlength=len(rows)) @ rows.astype(np.float64)
        reached = float(predict(np.asarray(counts, dtype=np.float64)[None])[0])
        if reached > best:
            best, found = reached, mask
    return found
