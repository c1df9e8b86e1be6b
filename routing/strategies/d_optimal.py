"""D-optimal design: people label what tells most about the reward model's last layer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from routing.features.table import Floats, Ints
from routing.strategies.precision import RANK, Precision, embedded, precision
from routing.strategies.problem import Problem, Scores, Seed, scores
from routing.strategies.reasons import Phrases

# On differences of unit-length embeddings: the information that the ridge stands for.
RIDGE = 1.0
# Picks of the greedy design, each knowing all before it; what comes after is chosen in blocks.
GREEDY = 512
_SHORTLIST = 1024
_SMALLEST_BLOCK = 64
WORDS = (
    "unlike what is labelled already",
    "much like what is labelled or chosen already",
    "both completions look the same to the encoder",
    "what the encoder makes of it is unknown",
)


@dataclass(frozen=True, eq=False)
class DOptimal:
    """Gain = log(1 + d'A⁻¹d), what the label of difference d adds to log det A when it is bought.

    A starts as the design of the seed. The first `greedy` picks are those of a greedy design by
    gain for the price; the rest comes in blocks, each as large as the design before it and ordered
    by its gain at the start of the block: two alike within a block do not know of each other.
    """

    design: Precision
    labelled: int
    greedy: int = GREEDY
    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        D = embedded(problem.differences).astype(np.float64, copy=False)
        self.design.check(D)
        known = np.isfinite(D).all(axis=1)
        gain = np.zeros(len(D))
        gain[known] = design_gains(
            D[known], problem.cost[known], self.design, self.labelled, self.greedy
        )
        middle = np.median(gain[known]) if known.any() else 0.0
        code = np.select([~known, gain < 1e-12, gain < middle], [3, 2, 1], 0).astype(np.int64)
        return scores(problem, gain, Phrases(code[:, None], WORDS))

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": "d-optimal",
            "design": self.design.to_json(),
            "labelled": self.labelled,
            "greedy": self.greedy,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(Precision.from_json(stored["design"]), stored["labelled"], stored["greedy"])


def fit(seed: Seed, *, ridge: float = RIDGE, greedy: int = GREEDY, rank: int = RANK) -> DOptimal:
    """The design that the seed's labels already make up; raises InvalidInput without embeddings."""
    return DOptimal(precision(embedded(seed.differences), None, ridge, rank), len(seed), greedy)


def design_gains(
    D: Floats, cost: Floats, design: Precision, labelled: int, greedy: int = GREEDY
) -> Floats:
    """(n,) what each row of D (n, d) adds to log det A at its turn; falling in order of gain/cost.

    `labelled` rows are in the design already; it sets the size of the first block.
    """
    inverse, gain = design.inverse(), np.zeros(len(D))
    open_ = np.ones(len(D), dtype=bool)
    for row, first in _greedy(D, cost, inverse, min(greedy, len(D))):
        gain[row], open_[row] = first, False
    size = labelled + int((~open_).sum())
    while open_.any():
        rows = np.flatnonzero(open_)
        worth = np.log1p(_leverage(D[rows], inverse))
        block = np.argsort(-worth / cost[rows], kind="stable")
        block = block[: max(_SMALLEST_BLOCK, size)]
        taken = rows[block]
        gain[taken], open_[taken] = worth[block], False
        inverse = _updated(inverse, D[taken])
        size += len(taken)
    return gain


def _greedy(D: Floats, cost: Floats, inverse: Floats, picks: int) -> Iterator[tuple[int, float]]:
    """Rows and their gains in greedy order; `inverse` A⁻¹ is updated in place.

    Lazy: gains only fall while A grows, so what a row was worth earlier bounds what it is worth.
    Only a shortlist of the highest bounds is kept exact, by Sherman and Morrison, until its best
    no longer reaches the bound of the others.
    """
    bound = np.log1p(_leverage(D, inverse)) / cost
    open_ = np.ones(len(D), dtype=bool)
    while picks:
        rows = _highest(np.where(open_, bound, -np.inf), min(_SHORTLIST, int(open_.sum())))
        others = open_.copy()
        others[rows] = False
        floor = bound[others].max(initial=-np.inf)
        listed, leverage = D[rows], _leverage(D[rows], inverse)
        taken = np.zeros(len(rows), dtype=bool)
        while picks:
            worth = np.where(taken, -np.inf, np.log1p(leverage) / cost[rows])
            best = int(worth.argmax())
            if worth[best] < floor or taken[best]:
                break
            yield int(rows[best]), float(np.log1p(leverage[best]))
            toward = inverse @ listed[best]
            scale = 1 / (1 + leverage[best])
            inverse -= scale * np.outer(toward, toward)
            leverage = np.maximum(leverage - scale * (listed @ toward) ** 2, 0)
            taken[best], picks = True, picks - 1
        bound[rows] = np.log1p(leverage) / cost[rows]
        open_[rows[taken]] = False


def _highest(values: Floats, count: int) -> Ints:
    return np.argpartition(-values, count - 1)[:count].astype(np.int64)


def _leverage(D: Floats, inverse: Floats) -> Floats:
    """(n,) d'A⁻¹d; never below 0."""
    return np.asarray(np.maximum(np.einsum("nd,nd->n", D @ inverse, D), 0))


def _updated(inverse: Floats, block: Floats) -> Floats:
    """(A + block'·block)⁻¹ by whichever of Woodbury's two sides is smaller."""
    if len(block) < len(inverse):
        side = block @ inverse
        return np.asarray(
            inverse - side.T @ np.linalg.solve(np.eye(len(block)) + side @ block.T, side)
        )
    return np.asarray(np.linalg.inv(np.linalg.inv(inverse) + block.T @ block))
