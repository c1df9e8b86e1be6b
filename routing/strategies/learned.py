"""Learned combination: every signal weighed together, starting from what each is believed to say.

P(the judge is wrong) = σ(intercept + Σ columns · weights), the weights being the mode of a logistic
regression with a Gaussian prior around the beliefs of `learned_evidence`. Without labels it is a
sum of the doubts, so it holds every single signal; each label moves it, and a signal that does not
hold here loses its weight. Nothing is tuned: the spreads of the priors are constants.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats
from routing.strategies.learned_error import TIE, disagrees
from routing.strategies.learned_evidence import Column, choices, columns_of
from routing.strategies.problem import Problem, Scores, Seed, scores
from routing.strategies.reasons import Phrases

# Standard deviations of the priors in log-odds per standard deviation of a column: what prefers a
# side or doubts may change the odds threefold within two of them, what merely describes less.
SPREAD = {"directed": 0.5, "doubt": 0.5, "side": 0.5, "text": 0.25, "tag": 0.5}
# A judge is wrong a little less than two times in five, give or take much.
INTERCEPT, INTERCEPT_SPREAD = -0.5, 3.0
# Factors of the spreads and of the beliefs beyond this make no sense.
_WIDEST = 100.0
_STEPS = 50
# A share of the score below this is not worth a word.
_WORTH_SAYING = 0.1
_CHUNK = 100_000


@dataclass(frozen=True)
class LearnedRouter:
    """Columns, weights and their standard errors (Laplace): all plain numbers.

    A judge's tie has P = 1: a tie is never the answer.
    """

    columns: tuple[Column, ...]
    weights: tuple[float, ...]
    errors: tuple[float, ...]
    intercept: float
    dual_labelled: int
    disagreements: int

    @property
    def reads_judge(self) -> bool:
        """Always: it asks which side the judge took."""
        return True

    def score(self, problem: Problem) -> Scores:
        gain = np.empty(len(problem))
        codes = np.empty((len(problem), 2), dtype=np.int64)
        for start in range(0, len(problem), _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, len(problem)))
            gain[rows], codes[rows] = self._score(problem.take(rows))
        words = [word for column in self.columns for word in column.words]
        return scores(problem, gain, Phrases(codes, (*words, TIE)))

    def _score(self, problem: Problem) -> tuple[Floats, Any]:
        shares = _design(self.columns, problem, _judge_of(problem)) * np.array(self.weights)
        gain = 1 / (1 + np.exp(-np.clip(self.intercept + shares.sum(axis=1), -500, 500)))
        tied = _tied(problem)
        return np.where(tied, 1.0, gain), self._codes(shares, tied)

    def _codes(self, shares: Floats, tied: Any) -> Any:
        """(n, 2) the words of the two largest shares that raise the score; a tie says only so."""
        order = np.argsort(-shares, axis=1, kind="stable")[:, :2]
        if order.shape[1] < 2:
            order = np.pad(order, ((0, 0), (0, 2 - order.shape[1])))
        share = np.take_along_axis(shares, order, axis=1)
        # A share is positive because the column and its weight are, or because both are negative.
        sign = np.array(self.weights)[order] < 0
        codes = np.where(share > _WORTH_SAYING, 2 * order + sign, -1)
        codes[:, 1] = np.where(order[:, 1] == order[:, 0], -1, codes[:, 1])
        return np.where(tied[:, None], np.array([2 * len(self.columns), -1]), codes)

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": "learned",
            "columns": [column.to_json() for column in self.columns],
            "weights": list(self.weights),
            "errors": list(self.errors),
            "intercept": self.intercept,
            "dual_labelled": self.dual_labelled,
            "disagreements": self.disagreements,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            tuple(Column.from_json(row) for row in stored["columns"]),
            tuple(stored["weights"]),
            tuple(stored["errors"]),
            stored["intercept"],
            stored["dual_labelled"],
            stored["disagreements"],
        )


def fit(seed: Seed, *, spread: float = 1.0, belief: float = 1.0) -> LearnedRouter:
    """Fit on the seed; the priors' spreads and means are `spread` and `belief` times the usual.

    Instances on which people or the judge tie carry nothing and are left out.

    A judge that always agrees, or never does, gives weights near their beliefs and an intercept
    that says so; where nothing is there to learn from, the beliefs are the weights.

    Raises:
        InvalidInput: a factor is no number, or the spread not above 0.
    """
    if not (isinstance(spread, int | float) and 0 < spread <= _WIDEST):
        raise InvalidInput(f"The spread of the priors is above 0 and at most {_WIDEST:g}.")
    if not (isinstance(belief, int | float) and abs(belief) <= _WIDEST):
        raise InvalidInput(f"The strength of the beliefs is at most {_WIDEST:g}.")
    columns = columns_of(seed.problem)
    decided = (seed.human != 0.5) & (seed.judge != 0.5)
    wrong = disagrees(seed.human, seed.judge)[decided]
    problem, judge = seed.problem.take(decided), seed.judge[decided]
    X = np.column_stack([_design(columns, problem, judge), np.ones(len(problem))])
    mean = np.array([*(belief * column.prior for column in columns), INTERCEPT])
    width = np.array([*(spread * SPREAD[column.kind] for column in columns), INTERCEPT_SPREAD])
    weights, errors = _mode(X, wrong.astype(np.float64), mean, width)
    return LearnedRouter(
        columns,
        tuple(weights[:-1].tolist()),
        tuple(errors[:-1].tolist()),
        float(weights[-1]),
        len(problem),
        int(wrong.sum()),
    )


def _judge_of(problem: Problem) -> Floats:
    return np.full(len(problem), np.nan) if problem.judge is None else problem.judge


def _tied(problem: Problem) -> Any:
    """(n,) whether the judge was asked and has no preference."""
    if problem.judge is not None:
        return problem.judge == 0.5
    confidence = problem.features.column("judge_confidence")
    return np.zeros(len(problem), bool) if confidence is None else confidence < 1e-9


def _design(columns: tuple[Column, ...], problem: Problem, judge: Floats) -> Floats:
    choice = choices(judge)
    return np.column_stack([column.values(problem, choice) for column in columns])


def _mode(X: Floats, y: Floats, mean: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """The weights with the largest posterior, and their standard errors; Newton with damping."""
    precision = 1 / spread**2
    weights = mean.copy()
    for _ in range(_STEPS):
        p = 0.5 * (1 + np.tanh(X @ weights / 2))
        gradient = X.T @ (p - y) + precision * (weights - mean)
        hessian = (X * (p * (1 - p))[:, None]).T @ X + np.diag(precision)
        step = np.linalg.solve(hessian, gradient)
        largest = float(np.abs(step).max())
        weights = weights - step * min(1.0, 2.0 / max(largest, 1e-300))
        if largest < 1e-8:
            break
    return weights, np.sqrt(np.diag(np.linalg.inv(hessian)))
