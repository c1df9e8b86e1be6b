"""Cascade: a cheap judge, then a strong one, then people, each only where the one before doubts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, FeatureTable, Floats, Ints
from routing.strategies.certificate import ALPHA, DELTA, Certificate, certify
from routing.strategies.escalation import calibration, doubts
from routing.strategies.learned_error import disagrees
from routing.strategies.problem import JUDGE, STRONG, Problem, Scores, Seed, scores
from routing.strategies.reasons import Phrases
from routing.strategies.small_margin import judge_margin

# The strong judge's P(first preferred), NaN until it is asked.
STRONG_P = "strong_p"
WORDS = (
    "judge sure enough to decide alone",
    "judge not sure enough: the strong judge is asked first",
    "strong judge sure enough to decide alone",
    "neither judge is sure enough to decide alone",
)


@dataclass(frozen=True)
class Cascade:
    """Each tier decides above its certified threshold; π = 1 only where both have doubted.

    An instance that the strong judge has not seen yet says `rest` = "strong" and is scored again
    once its signal is there. Where people cannot be paid, the strong judge's label stands.
    """

    cheap: Certificate
    strong: Certificate
    reads_judge: bool = True

    @property
    def sentence(self) -> str:
        """The promise of the whole chain: each tier has half of the chance to be wrong."""
        delta = self.cheap.delta + self.strong.delta
        if not (self.cheap.holds or self.strong.holds):
            return f"cheap judge: {self.cheap.sentence} strong judge: {self.strong.sentence}"
        said = f"at least {round(100 * (1 - self.cheap.alpha), 4):g} % agreement at "
        said += f"{round(100 * (1 - delta), 4):g} % confidence"
        first, rest = self.cheap.coverage, 1 - self.cheap.coverage
        return (
            f"{said}: the cheap judge decides {100 * first:.0f} % of instances, the strong judge "
            f"{100 * rest * self.strong.coverage:.0f} %, people the rest"
        )

    def score(self, problem: Problem) -> Scores:
        confidence = strong_confidence(problem.features)
        cheap = self.cheap.accepts(judge_margin(problem))
        # A strong judge that may decide nothing is not worth asking.
        wait = ~cheap & np.isnan(confidence) & self.strong.holds
        strong = ~cheap & self.strong.accepts(confidence)
        code = np.select([cheap, wait, strong], [0, 1, 2], 3).astype(np.int64)
        known = np.where(np.isnan(confidence), judge_margin(problem), confidence)
        gain = np.where(code == 3, doubts(known), -np.inf)
        asked = ~cheap & (wait | ~np.isnan(confidence))
        rest = np.where(asked, STRONG, JUDGE)
        return scores(problem, gain, Phrases(code[:, None], WORDS), rest=rest)

    def report(self) -> dict[str, Any]:
        return {"promise": self.sentence}

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": "cascade",
            "cheap": self.cheap.to_json(),
            "strong": self.strong.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(Certificate.from_json(stored["cheap"]), Certificate.from_json(stored["strong"]))


def fit(
    seed: Seed, *, alpha: float = ALPHA, delta: float = DELTA, salt: str | None = None
) -> Cascade:
    """Certify both tiers at half of delta, each on prompts of its own.

    The strong judge is certified on what the cheap one leaves, and the cheap one's threshold is
    chosen on labels: the same prompts cannot serve both, so they are halved by salted hash.

    Raises:
        InvalidInput: the seed has no label of the strong judge.
    """
    p = strong_p(seed.problem.features)
    if p is None or np.isnan(p).all():
        raise InvalidInput("A cascade is fitted on seed labels of both judges: ask the strong one.")
    first, second = _tiers(seed, calibration(seed, salt), salt or "")
    wrong = disagrees(seed.human, seed.judge)
    confidence = judge_margin(seed.problem)
    cheap = certify(confidence[first], wrong[first], alpha=alpha, delta=delta / 2)
    left = second[~cheap.accepts(confidence[second]) & ~np.isnan(p[second])]
    strong = certify(
        np.abs(2 * p[left] - 1), disagrees(seed.human, p)[left], alpha=alpha, delta=delta / 2
    )
    return Cascade(cheap, strong)


def strong_p(table: FeatureTable) -> Floats | None:
    return table.column(STRONG_P)


def strong_confidence(table: FeatureTable) -> Floats:
    """(n,) |2p − 1| of the strong judge, NaN where it was not asked."""
    p, confidence = strong_p(table), table.column("strong_confidence")
    if confidence is not None:
        return confidence
    return np.full(len(table), np.nan) if p is None else np.abs(2 * p - 1)


def _tiers(seed: Seed, rows: Ints, salt: str) -> tuple[Ints, Ints]:
    drawn = [unit_interval(salt, "tier", seed.prompts[row]) for row in rows]
    first: Bools = np.array(drawn, dtype=np.float64) < 0.5
    return rows[first], rows[~first]
