"""Oracle: knows the truth, so it is a ceiling and never a product."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from routing.strategies.problem import Problem, Scores, scores


@dataclass(frozen=True)
class Oracle:
    """`gains` maps a key to 1 where the human label is right and the judge's wrong.

    0 where the source makes no difference, −1 where the judge alone is right: never bought.
    """

    gains: Mapping[str, float]
    reads_judge: bool = True

    def score(self, problem: Problem) -> Scores:
        known = np.array([self.gains.get(key, 0.0) for key in problem.keys])
        words = {1.0: "people are right and the judge is wrong", -1.0: "the judge alone is right"}
        reason = [words.get(gain, "the source makes no difference") for gain in known]
        return scores(problem, np.where(known < 0, -np.inf, known), reason)

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "oracle", "gains": dict(self.gains)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(stored["gains"])
