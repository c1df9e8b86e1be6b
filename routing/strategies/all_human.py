"""All-human: everything the budget can pay goes to people."""

from dataclasses import dataclass

from routing.strategies.problem import Problem, Scores


@dataclass(frozen=True)
class AllHuman:
    reads_judge: bool = False

    def score(self, problem: Problem) -> Scores:
        return Scores(problem.cost.copy(), ["everything goes to people"] * len(problem))
