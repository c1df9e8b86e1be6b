"""How far a judge may be trusted alone: a threshold on its confidence with a promise.

"Trust or Escalate" (2407.18370): thresholds are tested from the strictest down, each by an exact
binomial bound at the same confidence; the first that fails ends the descent, so the confidence
holds for the threshold that is kept.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.features.table import Bools, Floats, Ints

# Risk: the share of disagreements with people that is allowed; δ: the chance to be wrong about it.
ALPHA, DELTA = 0.15, 0.1
LEAST = 30
# Fixed before any data are seen; a judge without a preference is never accepted alone.
GRID = tuple(step / 100 for step in range(100, 0, -1))


@dataclass(frozen=True)
class Certificate:
    """What was found on `prompts` independent calibration instances, one a prompt.

    `threshold` is the confidence from which the judge is accepted alone, None where nothing can be
    promised. Of `accepted` instances at it the judge disagreed with people on `disagreements`;
    `bound` is the upper confidence bound of that share. Where nothing holds the three speak of the
    strictest threshold that was tested, and are 0, 0 and 1 where there was none.
    """

    alpha: float
    delta: float
    prompts: int
    threshold: float | None
    accepted: int
    disagreements: int
    bound: float
    needed: int

    @property
    def holds(self) -> bool:
        return self.threshold is not None

    @property
    def coverage(self) -> float:
        """The share of calibration instances that the judge decides alone; 0 without a promise."""
        return self.accepted / self.prompts if self.holds else 0.0

    @property
    def sentence(self) -> str:
        """The promise in words, or why there is none."""
        if self.holds:
            return (
                f"at least {_percent(1 - self.alpha)} agreement at {_percent(1 - self.delta)} "
                f"confidence on {_percent(self.coverage)} of instances"
            )
        if not self.accepted:
            return (
                f"Nothing can be promised: {self.needed} calibration prompts with a sure judge are "
                f"needed, there are {self.prompts}. Everything goes to people."
            )
        return (
            f"Nothing can be promised: even where it is surest the judge disagreed with people on "
            f"{self.disagreements} of {self.accepted} calibration prompts, which bounds its "
            f"agreement by {_percent(1 - self.bound)} only. Everything goes to people."
        )

    def promised(self) -> str:
        """The promise for a report.

        Raises:
            InvalidInput: there is none; the message says why.
        """
        if not self.holds:
            raise InvalidInput(self.sentence)
        return self.sentence

    def accepts(self, confidence: Floats) -> Bools:
        """(n,) where the judge is trusted alone; an unknown confidence never is."""
        if self.threshold is None:
            return np.zeros(len(confidence), dtype=bool)
        return np.asarray(np.nan_to_num(confidence, nan=-1.0) >= self.threshold)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(**stored)


def certify(
    confidence: Floats, disagrees: Bools, *, alpha: float = ALPHA, delta: float = DELTA
) -> Certificate:
    """The lowest threshold of `GRID` that the descent reaches.

    Args:
        confidence: (n,) the judge's, on independent instances drawn like those to be decided.
        disagrees: (n,) whether it prefers another completion than people do.

    The first threshold tested is the largest that accepts `needed` instances, chosen from the
    confidences alone.
    """
    if not (0 < alpha < 1 and 0 < delta < 1):
        raise InvalidInput("The allowed disagreement and the error chance lie between 0 and 1.")
    least = needed(alpha, delta)
    kept = Certificate(alpha, delta, len(confidence), None, 0, 0, 1.0, least)
    for threshold in GRID:
        accepted = confidence >= threshold
        count, wrong = int(accepted.sum()), int(disagrees[accepted].sum())
        if count < least:
            continue
        bound = upper_bound(wrong, count, delta)
        if bound > alpha:
            if kept.holds:
                break
            return Certificate(alpha, delta, len(confidence), None, count, wrong, bound, least)
        kept = Certificate(alpha, delta, len(confidence), threshold, count, wrong, bound, least)
    return kept


def needed(alpha: float, delta: float) -> int:
    """How many instances without one disagreement it takes to bound the risk by alpha; ≥ 30."""
    return max(LEAST, math.ceil(math.log(delta) / math.log(1 - alpha)))


def upper_bound(wrong: int, count: int, delta: float) -> float:
    """Clopper and Pearson's one-sided upper bound of a share at confidence 1 − delta."""
    # Loaded where it is used: routers are read by processes that fit none.
    from scipy.special import betaincinv  # noqa: PLC0415

    return 1.0 if wrong >= count else float(betaincinv(wrong + 1, count - wrong, 1 - delta))


def one_a_prompt(keys: Sequence[str], prompts: Sequence[str], salt: str) -> Ints:
    """Rows of one instance for each prompt, the one with the lowest salted hash of its key.

    Instances of one prompt share its difficulty; one of each keeps the draws independent.
    """
    chosen: dict[str, tuple[float, int]] = {}
    for row, (key, prompt) in enumerate(zip(keys, prompts, strict=True)):
        drawn = (unit_interval(salt, "one-a-prompt", key), row)
        chosen[prompt] = min(chosen.get(prompt, drawn), drawn)
    return np.array(sorted(row for _, row in chosen.values()), dtype=np.int64)


def _percent(share: float) -> str:
    """Rounded down, so that no promise is overstated."""
    return f"{math.floor(100 * share + 1e-9)} %"
