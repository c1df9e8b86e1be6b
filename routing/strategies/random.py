"""Random: every instance is worth the same; a salted hash draws."""

from dataclasses import dataclass

import numpy as np

from core.hashing import unit_interval
from routing.strategies.problem import Problem, Scores


@dataclass(frozen=True)
class Random:
    salt: str
    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        # Times the cost, because selection divides by it: dear instances are drawn as often.
        drawn = np.array([unit_interval(self.salt, "random", key) for key in problem.keys])
        return Scores(drawn * problem.cost, ["drawn at random"] * len(problem))
