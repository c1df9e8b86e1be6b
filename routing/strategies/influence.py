"""Influence: people label where swapping the judge's label should lower the held-out loss most.

First order, on a convex head over frozen embeddings: see `routing.predictor.influence`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Floats
from routing.predictor import influence, proxy
from routing.strategies import learned_error
from routing.strategies.hyper_seed import halves, notes_of, usable
from routing.strategies.learned_error import LearnedErrorRouter
from routing.strategies.problem import Problem, Scores, Seed, scores


@dataclass(frozen=True, eq=False)
class InfluenceRouter:
    """`direction` (d,) is H⁻¹·∇ℓ_eval and `head` (d,) the head, means over both halves of the seed.

    `error` predicts where the judge disagrees with people, which gives the expected human label.
    """

    direction: Floats
    head: Floats
    error: LearnedErrorRouter
    dual_labelled: int
    notes: tuple[str, ...] = ()
    reads_judge: bool = True

    def score(self, problem: Problem) -> Scores:
        """Gain = −E[Δℓ_eval] in nats per label; 0 where the judge was not asked or an embedding is
        missing.

        Raises:
            InvalidInput: no embeddings or no judge labels, or another encoder than the seed's.
        """
        D, judge = self._inputs(problem)
        guess = self.error.score(problem)
        # Where the judge ties, the head is all that is known of people.
        from_head = 0.5 * (1 + np.tanh(D @ self.head / 2))
        expected = np.where(judge > 0.5, 1 - guess.gain, guess.gain)
        expected = np.where(judge == 0.5, from_head, expected)
        gain = -influence.swap_effects(self.direction, D, _side(judge), expected)
        return scores(problem, np.nan_to_num(gain, nan=0.0), guess.reason)

    def _inputs(self, problem: Problem) -> tuple[Floats, Floats]:
        if problem.differences is None or problem.judge is None:
            raise InvalidInput("Influence needs the embeddings and the judge's labels.")
        if problem.differences.shape[1] != len(self.direction):
            raise InvalidInput(
                f"The embeddings have {problem.differences.shape[1]} numbers, the router was "
                f"fitted on {len(self.direction)}: fit it again with this encoder."
            )
        return problem.differences, problem.judge

    def report(self) -> dict[str, Any]:
        """As `routing.predictor.report.report_of` describes it."""
        return {"notes": list(self.notes), "dropped": list(self.error.binning.dropped)}

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": "influence",
            "direction": self.direction.tolist(),
            "head": self.head.tolist(),
            "error": self.error.to_json(),
            "dual_labelled": self.dual_labelled,
            "notes": list(self.notes),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            np.array(stored["direction"]),
            np.array(stored["head"]),
            LearnedErrorRouter.from_json(stored["error"]),
            stored["dual_labelled"],
            tuple(stored["notes"]),
        )


def fit(seed: Seed, *, salt: str = "influence", ridge: float = proxy.RIDGE) -> InfluenceRouter:
    """Heads on the judge's labels of one half of the prompts, held to people's of the other.

    Both halves take both parts, and the router keeps the mean. The order of gains is what counts:
    they speak of a model trained on half of the seed.

    Raises:
        InvalidInput: fewer than 10 dual-labelled instances or 4 prompts, no embeddings, or people
            or the judge tie everywhere.
    """
    seed, D = usable(seed)
    half, judge = halves(seed.prompts, salt), _side(seed.judge)
    error = learned_error.fit(seed)
    directions, heads = [], []
    for train in (half, ~half):
        decided = ~train & (seed.human != 0.5)
        people = D[decided], seed.human[decided]
        heads.append(proxy.fit_heads(D[train], judge[None, train], ridge=ridge)[0])
        directions.append(influence.direction(D[train], judge[train], *people, ridge))
    return InfluenceRouter(
        np.mean(directions, axis=0), np.mean(heads, axis=0), error, len(seed), notes_of(seed)
    )


def _side(p: Floats) -> Floats:
    """The side a label prefers, as 1, ½ or 0; NaN stays."""
    return np.asarray((np.sign(p - 0.5) + 1) / 2)
