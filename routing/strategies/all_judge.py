"""All-judge: nothing goes to people."""

from dataclasses import dataclass

import numpy as np

from routing.strategies.problem import Problem, Scores


@dataclass(frozen=True)
class AllJudge:
    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        never = np.full(len(problem), -np.inf)
        return Scores(never, ["everything goes to the judge"] * len(problem))
