"""The one interface of routing strategies."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Bools, FeatureTable, Floats, Ints


@dataclass(frozen=True, eq=False)
class Problem:
    """Instances to be routed: their keys, features, and what a human label costs more.

    `cost` (n,) is the price of sending the instance to people, in the unit of the budget.
    """

    keys: tuple[str, ...]
    features: FeatureTable
    cost: Floats

    def __post_init__(self) -> None:
        if not len(self.keys) == len(self.features) == len(self.cost):
            raise InvalidInput("Keys, features and costs must speak of the same instances.")

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, chosen: Bools | Ints) -> "Problem":
        rows = np.arange(len(self))[chosen]
        return Problem(tuple(self.keys[i] for i in rows), self.features.take(rows), self.cost[rows])


@dataclass(frozen=True, eq=False)
class Scores:
    """What a human label is expected to gain, and why in words; gain −inf means never buy."""

    gain: Floats
    reason: list[str]


class Strategy(Protocol):
    @property
    def reads_judge(self) -> bool:
        """Whether every instance must have its judge label before it can be scored."""
        ...

    def score(self, problem: Problem) -> Scores: ...


@dataclass(frozen=True, eq=False)
class Seed:
    """Dual-labelled instances a router is fitted on.

    `human` and `judge` (n,) are P(first preferred); `differences` (n, d) are the embedding
    differences of first and second completion, None where no encoder ran.
    """

    problem: Problem
    prompts: tuple[str, ...]
    human: Floats
    judge: Floats
    differences: Floats | None = None

    def __len__(self) -> int:
        return len(self.problem)
