"""Reward-model uncertainty: people label where the reward model's margin is least known."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats
from routing.predictor import proxy
from routing.strategies.precision import RANK, Precision, embedded, precision
from routing.strategies.problem import Problem, Scores, Seed, scores
from routing.strategies.reasons import Phrases

ENSEMBLE, LAPLACE = "ensemble", "laplace"
WORDS = (
    "reward model unsure: little like it was labelled",
    "reward model fairly sure",
    "the reward model's variance is unknown",
)


@dataclass(frozen=True)
class Ensemble:
    """Gain = the variance of the margin over an ensemble (column `reward_variance`)."""

    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        variance = problem.features.column("reward_variance")
        if variance is None:
            raise InvalidInput(
                "Reward uncertainty needs an ensemble that scored the instances, or a seed with "
                "embeddings for its Laplace form."
            )
        return _scored(problem, variance)

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "reward-uncertainty", "source": ENSEMBLE}


@dataclass(frozen=True, eq=False)
class Laplace:
    """Gain = d'H⁻¹d: the variance of the margin under the last layer's Laplace approximation.

    H = ridge·I + Σ p(1 − p)·dd' is the Hessian of the Bradley–Terry head on the seed's human
    labels at its optimum.
    """

    hessian: Precision
    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        return _scored(problem, self.hessian.variance(embedded(problem.differences)))

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": "reward-uncertainty",
            "source": LAPLACE,
            "hessian": self.hessian.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(Precision.from_json(stored["hessian"]))


def fit(
    seed: Seed | None, *, source: str = ENSEMBLE, ridge: float = proxy.RIDGE, rank: int = RANK
) -> Ensemble | Laplace:
    """Raises InvalidInput for an unknown source, or Laplace without a seed with embeddings."""
    if source == ENSEMBLE:
        return Ensemble()
    if source != LAPLACE:
        raise InvalidInput(f"Reward uncertainty comes from {ENSEMBLE} or {LAPLACE}.")
    if seed is None or not len(seed):
        raise InvalidInput("The Laplace form is fitted on a labelled seed: label one first.")
    D = embedded(seed.differences).astype(np.float64)
    (head,) = proxy.fit_heads(D, seed.human[None, :], ridge=ridge)
    p = 0.5 * (1 + np.tanh(D @ head / 2))
    return Laplace(precision(D, p * (1 - p), ridge, rank))


def load(stored: Mapping[str, Any]) -> Ensemble | Laplace:
    return Laplace.from_json(stored) if stored["source"] == LAPLACE else Ensemble()


def _scored(problem: Problem, variance: Floats) -> Scores:
    """Unknown variances gain 0; the more uncertain half of the known is called unsure."""
    unknown = np.isnan(variance)
    middle = np.median(variance[~unknown]) if not unknown.all() else 0.0
    code = np.where(unknown, 2, np.where(variance > middle, 0, 1)).astype(np.int64)
    gain = np.where(unknown, 0.0, variance)
    return scores(problem, gain, Phrases(code[:, None], WORDS))
