"""Active preference learning: the prompts the policy is least sure of, and there the pairs on
which its implicit preference is surest.

The gap of a policy trained with DPO beside its reference,

    m = β·[log π(y₁|x) − log π_ref(y₁|x)] − β·[log π(y₂|x) − log π_ref(y₂|x)],

is what it would bet on the first completion. A sure bet on a prompt about which the policy is
unsure is where a label moves it most when the bet is wrong: entropy alone finds prompts that are
merely open, and small gaps find pairs that people cannot tell apart either.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import FeatureTable, Floats
from routing.strategies.problem import Problem, Scores, scores
from routing.strategies.reasons import Phrases

ENTROPY, MARGIN = "policy_entropy", "implicit_margin"
SURE, UNSURE, OPEN, UNKNOWN = range(4)
WORDS = (
    "policy unsure what to answer, sure which answer is better",
    "policy unsure what to answer and which answer is better",
    "policy surer what to answer than elsewhere",
    "the policy's entropy or implicit margin is unknown",
)


@dataclass(frozen=True)
class ActivePreference:
    """Gain = |2σ(m) − 1| in the `shortlist` of instances whose prompt has the highest entropy.

    The shortlist is a share of the instances that are scored together, so route in batches; equal
    entropies stand or fall together. Outside it, and where a signal is unknown, the gain is 0:
    bought only when money is left.
    """

    shortlist: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.shortlist <= 1:
            raise InvalidInput("The shortlist is a share above 0 and up to 1.")

    @property
    def reads_judge(self) -> bool:
        return False

    def score(self, problem: Problem) -> Scores:
        """Raises InvalidInput where no policy's signals are there."""
        entropy, margin = (_column(problem.features, name) for name in (ENTROPY, MARGIN))
        known = ~np.isnan(entropy) & ~np.isnan(margin)
        listed = known & (entropy >= self._least(entropy[known]))
        certainty = np.tanh(np.abs(np.where(known, margin, 0.0)) / 2)
        code = np.where(listed, np.where(certainty >= 0.5, SURE, UNSURE), OPEN)
        code = np.where(known, code, UNKNOWN).astype(np.int64)
        gain = np.where(listed, certainty, 0.0)
        return scores(problem, gain, Phrases(code[:, None], WORDS))

    def _least(self, entropy: Floats) -> float:
        return float(np.quantile(entropy, 1 - self.shortlist)) if len(entropy) else 0.0

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "active-preference", "shortlist": self.shortlist}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(stored["shortlist"])


def _column(table: FeatureTable, name: str) -> Floats:
    found = table.column(name)
    if found is None:
        raise InvalidInput(
            f"Active preference needs the policy's signals: there is no {name} on any instance."
        )
    return found
