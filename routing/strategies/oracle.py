"""Oracle: knows the truth, so it is a ceiling and never a product."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from routing.strategies.problem import Problem, Scores


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
        return Scores(np.where(known < 0, -np.inf, known), reason)
