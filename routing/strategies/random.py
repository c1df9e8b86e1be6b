"""Random: every instance is worth the same, so the salted hash of the selection draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from routing.strategies.problem import Problem, Scores, scores


@dataclass(frozen=True)
class Random:
    """All gains for the price are equal: π is the share that the money pays for, the same for all.

    A draw of its own, hidden in the gains, would look like a choice: its π would seem to be 0 or 1.
    """

    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        # The gain is the price, because selection divides by it: dear instances are drawn as often.
        gain = np.array(problem.cost, dtype=np.float64)
        return scores(problem, gain, ["drawn at random"] * len(problem))

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "random"}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls()
