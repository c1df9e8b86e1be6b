"""One source for everything: the two ends that every strategy is compared with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from routing.strategies.problem import Problem, Scores, scores


@dataclass(frozen=True)
class AllHuman:
    """Every instance to people. Where money runs short, the salt of the selection draws."""

    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        # The gain is the price, because selection divides by it: nothing comes before the rest.
        reason = ["everything goes to people"] * len(problem)
        return scores(problem, problem.cost.astype(np.float64), reason)

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "all-human"}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls()


@dataclass(frozen=True)
class AllJudge:
    """Every instance to the judge, whatever money is there."""

    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        reason = ["everything goes to the judge"] * len(problem)
        return scores(problem, np.full(len(problem), -np.inf), reason)

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "all-judge"}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls()
