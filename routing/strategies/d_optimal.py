"""D-optimal design: people label what tells most about the reward model's last layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from routing.features.table import Bools, Floats, Ints
from routing.strategies.precision import RANK, Precision, embedded, precision
from routing.strategies.problem import Problem, Scores, Seed, scores
from routing.strategies.reasons import Phrases

# On differences of unit-length embeddings: the information that the ridge stands for.
RIDGE = 1.0
# Picks of the greedy design, each knowing all before it; what comes after is chosen in blocks.
GREEDY = 512
_SHORTLIST = 1024
# The greedy part ends when it has read so many times all rows.
_READS = 5
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
    if not len(D):
        return np.zeros(0)
    growing = _Growing(D, cost, design.inverse())
    growing.pick(min(greedy, len(D)))
    while growing.open.any():
        taken = int((~growing.open).sum())
        growing.take(max(_SMALLEST_BLOCK, labelled + taken))
    return growing.gain


class _Growing:
    """A design that grows row by row or block by block.

    Lazy: gains only fall while A grows, so what a row was worth earlier bounds what it is worth
    now (`bound`, gain for the price). Only rows whose bound could still win are read again.
    """

    def __init__(self, D: Floats, cost: Floats, inverse: Floats) -> None:
        self.D, self.cost, self.inverse = D, cost, inverse
        self.gain = np.zeros(len(D))
        self.open: Bools = np.ones(len(D), dtype=bool)
        self.bound = np.zeros(len(D))
        self.read = 0
        self._refresh(np.arange(len(D)))

    def pick(self, count: int) -> None:
        """Take up to `count` rows greedily, each knowing all before it.

        Ends early where finding the next best reads all rows over and over: with many copies.
        """
        while count and self.read <= _READS * len(self.D):
            rows = _highest(np.where(self.open, self.bound, -np.inf), _SHORTLIST)
            rows = rows[self.open[rows]]
            others = self.open.copy()
            others[rows] = False
            # Two readings of the same row may differ in their last digit.
            floor = self.bound[others].max(initial=-np.inf) * (1 - 1e-9)
            count -= self._pick_among(rows, floor, count)

    def _pick_among(self, rows: Ints, floor: float, most: int) -> int:
        """Take rows of a shortlist, kept exact by Sherman and Morrison, while the best is above
        `floor`; returns how many."""
        listed, leverage = self.D[rows], self._leverage(rows)
        free = np.ones(len(rows), dtype=bool)
        while (~free).sum() < min(most, len(rows)):
            worth = np.where(free, np.log1p(leverage) / self.cost[rows], -np.inf)
            best = int(worth.argmax())
            if worth[best] < floor:
                break
            self.gain[rows[best]], free[best] = np.log1p(leverage[best]), False
            toward = self.inverse @ listed[best]
            scale = 1 / (1 + leverage[best])
            self.inverse -= scale * np.outer(toward, toward)
            leverage = np.maximum(leverage - scale * (listed @ toward) ** 2, 0)
        self.bound[rows] = np.log1p(leverage) / self.cost[rows]
        self.open[rows] = free
        return int((~free).sum())

    def take(self, count: int) -> None:
        """Take the best `count` rows as they are worth now, without regard to one another."""
        rows = np.flatnonzero(self.open)
        likely = rows[_highest(self.bound[rows], 2 * count)]
        self._refresh(likely)
        least = np.sort(self.bound[likely])[-min(count, len(likely))]
        unread = np.setdiff1d(rows[self.bound[rows] > least], likely)
        self._refresh(unread)
        taken = rows[_highest(self.bound[rows], count)]
        self.gain[taken], self.open[taken] = self.bound[taken] * self.cost[taken], False
        self.inverse = _updated(self.inverse, self.D[taken])

    def _refresh(self, rows: Ints) -> None:
        self.bound[rows] = np.log1p(self._leverage(rows)) / self.cost[rows]

    def _leverage(self, rows: Ints) -> Floats:
        """d'A⁻¹d of some rows; never below 0."""
        self.read += len(rows)
        part = self.D[rows]
        return np.asarray(np.maximum(np.einsum("nd,nd->n", part @ self.inverse, part), 0))


def _highest(values: Floats, count: int) -> Ints:
    """Places of the `count` highest values, all where there are no more."""
    if count >= len(values):
        return np.arange(len(values))
    return np.argpartition(-values, count)[:count].astype(np.int64)


def _updated(inverse: Floats, block: Floats) -> Floats:
    """(A + block'·block)⁻¹ by whichever of Woodbury's two sides is smaller."""
    if len(block) < len(inverse):
        side = block @ inverse
        return np.asarray(
            inverse - side.T @ np.linalg.solve(np.eye(len(block)) + side @ block.T, side)
        )
    return np.asarray(np.linalg.inv(np.linalg.inv(inverse) + block.T @ block))
