"""How labels become a posterior: the method and what minorities mean, chosen per project."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from annotation.quality.em import MODELS
from core.exceptions import InvalidInput

from .models import ConsensusState, Minority, Scope
from .plackett_luce import worths as ranking_worths
from .posterior import vote_share
from .reading import Label, Subject
from .weighing import worths as weighed_worths

MAJORITY, PLACKETT_LUCE = "majority", "plackett-luce"
METHODS = (MAJORITY, *MODELS, PLACKETT_LUCE)
# What a row is made by where the project's method has no say.
REVIEW, MEAN, VOTE_SHARE = "review", "mean score", "vote share"


@dataclass(frozen=True)
class How:
    """The method of a project, and the parameters of its annotators by scope and criterion."""

    method: str = MAJORITY
    minority: str = Minority.NOISE
    parameters: Mapping[str, Any] | None = None
    version: int = 0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise InvalidInput(
                f"Unknown consensus method {self.method!r}: one of {', '.join(METHODS)}."
            )
        if self.minority not in Minority.values:
            raise InvalidInput(f"Minority votes are {' or '.join(Minority.values)}.")

    @property
    def weighs(self) -> bool:
        """Annotators have parameters: a model of them is fitted to all labels."""
        return self.method in MODELS and self.minority == Minority.NOISE

    @property
    def together(self) -> bool:
        """People and judges count side by side in the mixed scope."""
        return self.weighs

    @property
    def name(self) -> str:
        """Of the method as rows and snapshots give it."""
        return VOTE_SHARE if self.minority == Minority.SIGNAL else self.method

    def worths(
        self, scope: Scope, labels: Mapping[Subject, Sequence[Label]]
    ) -> dict[Subject, tuple[float, ...]]:
        """Worths of ranked subjects; those left out have the majority's."""
        votes = {subject: [label.vote for label in found] for subject, found in labels.items()}
        if self.minority == Minority.SIGNAL:
            return {subject: vote_share(found) for subject, found in votes.items()}
        if self.method == PLACKETT_LUCE:
            return dict(zip(votes, ranking_worths(list(votes.values())), strict=True))
        found: dict[Subject, tuple[float, ...]] = {}
        if self.weighs:
            for criterion in {criterion for _, criterion in labels}:
                weights = (self.parameters or {}).get(key_of(scope, criterion))
                mine = {
                    subject: each for subject, each in labels.items() if subject[1] == criterion
                }
                found |= weighed_worths(mine, weights) if weights else {}
        return found


def key_of(scope: Scope, criterion: int) -> str:
    return f"{scope} {criterion}"


def how_of(state: ConsensusState | None, method: str | None = None) -> How:
    """The project's way, or another method in its place; its parameters where they are of it.

    Raises:
        InvalidInput: the method is unknown.
    """
    if state is None:
        return How(method or MAJORITY)
    chosen = method or state.method
    fitted = all(each["model"] == chosen for each in state.parameters.values())
    known = state.parameters if state.parameters and fitted else None
    how = How(chosen, state.minority, known, state.version)
    return how if how.weighs else How(chosen, state.minority)
