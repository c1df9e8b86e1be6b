"""Random: every instance is worth the same; a salted hash draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.hashing import unit_interval
from routing.strategies.problem import Problem, Scores, scores


@dataclass(frozen=True)
class Random:
    salt: str
    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        # Times the cost, because selection divides by it: dear instances are drawn as often.
        drawn = np.array([unit_interval(self.salt, "random", key) for key in problem.keys])
        return scores(problem, drawn * problem.cost, ["drawn at random"] * len(problem))

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "random", "salt": self.salt}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(stored["salt"])
