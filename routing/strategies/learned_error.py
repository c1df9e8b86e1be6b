"""Learned error: people label where the judge is likely to disagree with them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features import binning
from routing.features.binning import Binning
from routing.features.table import Bools, Floats, Ints
from routing.predictor.performance import Contrast, contrasts, explain
from routing.strategies.problem import Problem, Scores, Seed, scores
from routing.strategies.reasons import Phrases, strongest

# Inverse ridge of the logistic regression: strong, because seeds are small.
C = 0.1
TIE = "judge has no preference"
# Standard errors on either side of a 95 % interval.
WIDTH = 1.96


@dataclass(frozen=True)
class LearnedErrorRouter:
    """P(judge disagrees with people) = σ(intercept + one_hot · coefficients).

    It is 1 where the judge has no preference (`judge_confidence` 0): a tie is never the answer.
    """

    binning: Binning
    intercept: float
    coefficients: tuple[float, ...]
    dual_labelled: int
    disagreements: int
    explanation: tuple[Contrast, ...] = ()

    @property
    def reads_judge(self) -> bool:
        """Always: it asks where the judge ties, even when no judge column survived the binning."""
        return True

    def score(self, problem: Problem) -> Scores:
        base, contrast = contrasts(np.array(self.coefficients), self.binning.groups)
        one_hot = self.binning.one_hot(problem.features)
        gain = 1 / (1 + np.exp(-(self.intercept + base + one_hot @ contrast)))
        reason = strongest(one_hot, contrast, self.binning.columns)
        confidence = problem.features.column("judge_confidence")
        if confidence is None:
            return scores(problem, gain, reason)
        tied = confidence < 1e-9
        codes = np.where(tied[:, None], np.array([len(reason.words), -1]), reason.codes)
        said = Phrases(codes, (*reason.words, TIE))
        return scores(problem, np.where(tied, 1.0, gain), said)

    def report(self) -> dict[str, Any]:
        """As `routing.predictor.report.report_of` describes it; contrasts are in log-odds."""
        return {
            "disagreements": self.disagreements,
            "explanation": [asdict(row) for row in self.explanation],
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": "learned-error",
            "binning": self.binning.to_json(),
            "intercept": self.intercept,
            "coefficients": list(self.coefficients),
            "dual_labelled": self.dual_labelled,
            "disagreements": self.disagreements,
            "explanation": [asdict(row) for row in self.explanation],
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Reads what was stored before routers kept their explanation, too."""
        return cls(
            Binning.from_json(stored["binning"]),
            stored["intercept"],
            tuple(stored["coefficients"]),
            stored["dual_labelled"],
            stored["disagreements"],
            tuple(Contrast(**row) for row in stored.get("explanation", ())),
        )


def disagrees(human: Floats, judge: Floats) -> Bools:
    """Where the judge prefers another completion than people do; ½ is a tie, not a side."""
    return np.asarray(np.sign(human - 0.5) != np.sign(judge - 0.5))


def fit(seed: Seed) -> LearnedErrorRouter:
    """Ridge logistic regression on the seed's binned features, judge signals among them.

    Instances on which people tie carry no truth and are left out, and so are the judge's ties,
    whose outcome is known without learning. A judge that always agrees,
    or never does, leaves nothing to learn: coefficients 0 and the smoothed rate everywhere.
    """
    decided = (seed.human != 0.5) & (seed.judge != 0.5)
    if not decided.any():
        raise InvalidInput(
            "On every seed instance people or the judge tie: there is nothing to learn from."
        )
    cut = binning.fit(seed.problem.features)
    one_hot = cut.one_hot(seed.problem.features)[decided]
    wrong = disagrees(seed.human, seed.judge)[decided]
    count = int(wrong.sum())
    if count in (0, len(wrong)) or not one_hot.shape[1]:
        rate = (count + 0.5) / (len(wrong) + 1)
        intercept, coefficients = float(np.log(rate / (1 - rate))), np.zeros(one_hot.shape[1])
        interval = None
    else:
        # Loaded where it is used: it costs every process that only reads routers 100 MB.
        from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

        model = LogisticRegression(C=C, max_iter=1000).fit(one_hot, wrong)
        intercept, coefficients = float(model.intercept_[0]), model.coef_[0]
        interval = _interval(one_hot, intercept, coefficients, cut.groups)
    weights = tuple(float(c) for c in coefficients)
    # Instances of the whole seed, as far as they are known.
    fired = cut.one_hot(seed.problem.features).sum(axis=0, dtype=np.int64)
    shown = explain(cut.columns, contrasts(coefficients, cut.groups)[1], fired, interval)
    return LearnedErrorRouter(cut, intercept, weights, int(decided.sum()), count, shown)


def _interval(
    one_hot: Floats, intercept: float, coefficients: Floats, groups: Ints
) -> tuple[Floats, Floats]:
    """95 % of each contrast, (columns,) each: Laplace's approximation under the ridge's prior."""
    X = np.column_stack([np.ones(len(one_hot)), one_hot]).astype(np.float64)
    p = 1 / (1 + np.exp(-(X @ np.append(intercept, coefficients))))
    prior = np.append(0.0, np.full(len(coefficients), 1 / C))
    covariance = np.linalg.inv((X * (p * (1 - p))[:, None]).T @ X + np.diag(prior))[1:, 1:]
    same = groups[:, None] == groups
    to_contrast = np.eye(len(groups)) - same / same.sum(axis=1, keepdims=True)
    variance = np.einsum("ij,jk,ik->i", to_contrast, covariance, to_contrast)
    middle = contrasts(coefficients, groups)[1]
    half = WIDTH * np.sqrt(np.maximum(variance, 0.0))
    return middle - half, middle + half
