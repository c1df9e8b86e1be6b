"""Guaranteed escalation: the judge decides alone only where a promise holds; people do the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from routing.features.table import Floats, Ints
from routing.strategies import audit
from routing.strategies.certificate import ALPHA, DELTA, Certificate, certify, one_a_prompt
from routing.strategies.learned_error import disagrees
from routing.strategies.problem import Problem, Scores, Seed, scores
from routing.strategies.reasons import Phrases
from routing.strategies.small_margin import judge_margin

WORDS = (
    "judge sure enough to decide alone",
    "judge not sure enough to decide alone",
    "judge was not asked",
    "no confidence of the judge can be trusted alone",
)


@dataclass(frozen=True)
class Escalation:
    """Gain = 1 − confidence below the certified threshold; above it people are never asked.

    The promise speaks of what the judge decides above the threshold. Where money cannot pay for
    all that should go to people, the least sure go first and what is left carries no promise.
    """

    certificate: Certificate
    reads_judge: bool = True

    def score(self, problem: Problem) -> Scores:
        confidence = judge_margin(problem)
        alone = self.certificate.accepts(confidence)
        unknown = np.isnan(confidence)
        below = 1 if self.certificate.holds else 3
        code = np.where(alone, 0, np.where(unknown, 2, below)).astype(np.int64)
        gain = np.where(alone, -np.inf, doubts(confidence))
        return scores(problem, gain, Phrases(code[:, None], WORDS))

    def report(self) -> dict[str, Any]:
        return {"promise": self.certificate.sentence}

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "escalation", "certificate": self.certificate.to_json()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(Certificate.from_json(stored["certificate"]))


def fit(
    seed: Seed, *, alpha: float = ALPHA, delta: float = DELTA, salt: str | None = None
) -> Escalation:
    """Certify on the calibration rows of the seed; where nothing holds everything escalates.

    `salt` is the project's: rows of prompts that belong to A-report are then left out. Without it
    the seed must hold none of them. Rows must be drawn at random from what will be decided.
    """
    rows = calibration(seed, salt)
    confidence = judge_margin(seed.problem)[rows]
    wrong = disagrees(seed.human, seed.judge)[rows]
    return Escalation(certify(confidence, wrong, alpha=alpha, delta=delta))


def calibration(seed: Seed, salt: str | None) -> Ints:
    """Rows a promise may rest on: one a prompt, never of A-report, people and the judge known.

    Where people tie there is nothing to agree with: the promise speaks of what they decide. Which
    instance stands for a prompt is drawn among those.
    """
    usable = (seed.human != 0.5) & ~np.isnan(judge_margin(seed.problem)) & ~np.isnan(seed.judge)
    if salt is not None:
        usable &= ~audit.reporting(seed.prompts, salt)
    rows = np.flatnonzero(usable)
    keys = [seed.problem.keys[i] for i in rows]
    prompts = [seed.prompts[i] for i in rows]
    return rows[one_a_prompt(keys, prompts, salt or "")].astype(np.int64)


def doubts(confidence: Floats) -> Floats:
    """(n,) 1 − confidence, 1 where it is unknown; a sure judge that is not trusted keeps a little.

    Everything that should go to people must be worth something, or it would tie with nothing.
    """
    return np.maximum(1 - np.nan_to_num(confidence, nan=0.0), 1e-6)
