"""The input of a comparison: instances that people and one judge have both labelled."""

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field, replace

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Bools, FeatureTable, Floats, Ints


@dataclass(frozen=True, eq=False)
class DualSet:
    """Arrays over n instances, all with both sources.

    `votes` are people's, each P(first preferred) in {0, ½, 1}; `judge` (n,) is the one machine
    labeller's P(first preferred); `differences` (n, d) are embeddings of the first completion
    minus the second, None without an encoder; `length_difference` (n,) is first minus second;
    `vote_cost` and `judge_cost` (n,) are prices of one vote and one judge label in `unit`.
    `left_out` counts, by reason, what the caller could not use.
    """

    keys: tuple[str, ...]
    prompts: tuple[str, ...]
    votes: tuple[tuple[float, ...], ...]
    judge: Floats
    features: FeatureTable
    length_difference: Floats
    vote_cost: Floats
    judge_cost: Floats
    differences: Floats | None = None
    judge_name: str = "judge"
    unit: str = "labels"
    simulated: bool = False
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.keys)
        columns: dict[str, Sized] = {
            "prompts": self.prompts,
            "votes": self.votes,
            "judge labels": self.judge,
            "features": self.features,
            "length differences": self.length_difference,
            "vote costs": self.vote_cost,
            "judge costs": self.judge_cost,
        }
        if self.differences is not None:
            columns["embedding differences"] = self.differences
        for name, column in columns.items():
            if len(column) != n:
                raise InvalidInput(f"{n} instances have {len(column)} {name}.")
        if len(set(self.keys)) != n:
            raise InvalidInput("Two instances have the same key.")
        if n and not (np.all(self.judge >= 0) and np.all(self.judge <= 1)):
            raise InvalidInput("Judge labels must be probabilities between 0 and 1.")
        if n and self.vote_cost.min() <= 0:
            raise InvalidInput("A human vote must have a price above 0.")

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, chosen: Bools | Ints) -> "DualSet":
        """The chosen instances, by mask or place."""
        rows = np.arange(len(self))[chosen]
        return replace(
            self,
            keys=tuple(self.keys[i] for i in rows),
            prompts=tuple(self.prompts[i] for i in rows),
            votes=tuple(self.votes[i] for i in rows),
            judge=self.judge[rows],
            features=self.features.take(rows),
            length_difference=self.length_difference[rows],
            vote_cost=self.vote_cost[rows],
            judge_cost=self.judge_cost[rows],
            differences=None if self.differences is None else self.differences[rows],
        )
