"""The one interface of routing strategies: `score(instances) → gain, cost, propensity, reason`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from core.exceptions import InvalidInput
from routing.features.table import Bools, FeatureTable, Floats, Ints

# Where an instance goes that is not sent to people: to the judge, to a stronger judge that is asked
# before it is scored again, or to a program that checks it.
JUDGE, STRONG, VERIFIER = "judge", "strong", "verifier"


@dataclass(frozen=True, eq=False)
class Problem:
    """Instances to be routed: their keys, features, and what a human label costs more.

    `cost` (n,) is the price of sending the instance to people, in the unit of the budget. `judge`
    (n,) is the judge's P(first preferred), NaN where it was not asked; `differences` (n, d) are
    embeddings of the first completion minus the second. Both are None where nothing is known.
    """

    keys: tuple[str, ...]
    features: FeatureTable
    cost: Floats
    judge: Floats | None = None
    differences: Floats | None = None

    def __post_init__(self) -> None:
        if not len(self.keys) == len(self.features) == len(self.cost):
            raise InvalidInput("Keys, features and costs must speak of the same instances.")
        for part in (self.judge, self.differences):
            if part is not None and len(part) != len(self.keys):
                raise InvalidInput("Labels and embeddings must speak of the instances of the keys.")

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, chosen: Bools | Ints) -> "Problem":
        rows = np.arange(len(self))[chosen]
        return Problem(
            tuple(self.keys[i] for i in rows),
            self.features.take(rows),
            self.cost[rows],
            None if self.judge is None else self.judge[rows],
            None if self.differences is None else self.differences[rows],
        )


@dataclass(frozen=True, eq=False)
class Scores:
    """What a human label is expected to gain, its price, how likely it is wanted, and why.

    `gain` (n,) orders the instances, −inf means never buy; `cost` (n,) is in the unit of the
    budget; `propensity` (n,) is π, the probability that the strategy sends the instance to people
    if money is no object: 0 or 1 for a deterministic one. `reason` holds n sentences. `rest` (n,)
    is where an instance goes that people do not get; None: to the judge.
    """

    gain: Floats
    cost: Floats
    propensity: Floats
    reason: Sequence[str]
    rest: npt.NDArray[np.str_] | None = None


def scores(
    problem: Problem,
    gain: Floats,
    reason: Sequence[str],
    *,
    wanted: Bools | Floats | None = None,
    rest: npt.NDArray[np.str_] | None = None,
) -> Scores:
    """`Scores` at the price as it is; `wanted` (n,) is π, by default 1 where gain > −inf."""
    chance = gain > -np.inf if wanted is None else wanted
    return Scores(gain, problem.cost, np.asarray(chance, dtype=np.float64), reason, rest)


class Strategy(Protocol):
    @property
    def reads_judge(self) -> bool:
        """Whether every instance must have its judge label before it can be scored."""
        ...

    def score(self, problem: Problem) -> Scores: ...

    def to_json(self) -> Mapping[str, Any]:
        """All of it as numbers and words, with its key in the registry under `strategy`."""
        ...


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
