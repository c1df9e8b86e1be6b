"""Small margin: people label where the two completions are nearly equally good to a model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats
from routing.strategies.problem import Problem, Scores, scores
from routing.strategies.reasons import Phrases

JUDGE_MARGIN, REWARD_MARGIN = "judge", "reward"
NEAR = {
    JUDGE_MARGIN: "judge sees hardly a difference",
    REWARD_MARGIN: "reward model sees hardly a difference",
}
FAR = {
    JUDGE_MARGIN: "judge sees a clear difference",
    REWARD_MARGIN: "reward model sees a clear difference",
}


@dataclass(frozen=True)
class SmallMargin:
    """Gain = 1 − |2p − 1| with the judge's p, or the reward model's σ(margin).

    An unknown margin gains 0: it is bought only when money is left.
    """

    of: str = JUDGE_MARGIN

    def __post_init__(self) -> None:
        if self.of not in NEAR:
            raise InvalidInput(f"A margin is that of {' or '.join(NEAR)}, not of {self.of!r}.")

    @property
    def reads_judge(self) -> bool:
        return self.of == JUDGE_MARGIN

    def score(self, problem: Problem) -> Scores:
        margin = judge_margin(problem) if self.of == JUDGE_MARGIN else reward_margin(problem)
        unknown = np.isnan(margin)
        gain = np.where(unknown, 0.0, 1 - margin)
        code = np.where(unknown, 2, np.where(gain >= 0.5, 0, 1)).astype(np.int64)
        words = (NEAR[self.of], FAR[self.of], f"the {self.of}'s margin is unknown")
        return scores(problem, gain, Phrases(code[:, None], words))

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "small-margin", "of": self.of}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(stored["of"])


def judge_margin(problem: Problem) -> Floats:
    """(n,) |2p − 1| of the judge, from its label or its confidence; NaN where it was not asked.

    Raises:
        InvalidInput: neither is there.
    """
    confidence = problem.features.column("judge_confidence")
    labelled = None if problem.judge is None else np.abs(2 * problem.judge - 1)
    if labelled is None and confidence is None:
        raise InvalidInput("The judge's margin needs its labels: ask the judge first.")
    if labelled is None or confidence is None:
        return np.asarray(confidence if labelled is None else labelled)
    return np.where(np.isnan(labelled), confidence, labelled)


def reward_margin(problem: Problem) -> Floats:
    """(n,) |2σ(margin) − 1| of the reward model, NaN where it did not score.

    Raises:
        InvalidInput: there is no column `reward_margin`.
    """
    margin = problem.features.column("reward_margin")
    if margin is None:
        raise InvalidInput("The reward model's margin needs a reward model that scores instances.")
    return np.tanh(np.abs(margin) / 2)
