"""Random: every instance is worth the same; a salted hash draws."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from core.hashing import unit_interval
from routing.strategies.problem import Problem, Scores, scores


@dataclass(frozen=True)
class Random:
    """The draw of an instance depends on nothing but its key and the salt.

    With a `share` each instance is wanted with that probability, which is its π exactly, and what
    was not drawn is never bought. Without one everything is wanted, in random order, until the
    money ends: what is drawn is then the affordable share.
    """

    salt: str = ""
    share: float | None = None
    reads_judge: bool = False

    def __post_init__(self) -> None:
        if self.share is not None and not 0 < self.share <= 1:
            raise InvalidInput(f"The random share must lie above 0 and up to 1, not {self.share}.")

    def score(self, problem: Problem) -> Scores:
        drawn = np.array([unit_interval(self.salt, "random", key) for key in problem.keys])
        # Times the cost, because selection divides by it: dear instances are drawn as often.
        gain = (1 - drawn) * problem.cost
        reason = ["drawn at random"] * len(problem)
        if self.share is None:
            return scores(problem, gain, reason)
        gain = np.where(drawn < self.share, gain, -np.inf)
        return scores(problem, gain, reason, wanted=np.full(len(problem), self.share))

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "random", "salt": self.salt, "share": self.share}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(stored["salt"], stored.get("share"))
