"""Allocated: a budget for each group of a tag, and any strategy within it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import SEVERAL, Bools, Floats
from routing.strategies.allocation import Group, Plan, allocate
from routing.strategies.curves import Curve
from routing.strategies.learning import REST, curves_of, groups_of
from routing.strategies.problem import Problem, Scores, Seed, Strategy
from routing.strategies.propensity import propensities
from routing.strategies.selecting import Selecting, select

Fit = Callable[[str, Seed | None, Mapping[str, Any]], Strategy]
Load = Callable[[Mapping[str, Any]], Strategy]


@dataclass(frozen=True)
class Allocated:
    """`inner` scores; the budget is divided over the values of `tag` by `allocation.allocate`.

    Values without a curve of their own, among them those first seen at routing time, share the
    curve of all instances under the name "other". An instance with several values belongs to the
    first that has a curve. `labelled` counts the human labels of the seed.
    """

    inner: Strategy
    tag: str
    curves: Mapping[str, Curve]
    labelled: Mapping[str, int]
    minimum: float = 0.0
    equitable: bool = False

    @property
    def reads_judge(self) -> bool:
        return self.inner.reads_judge

    def score(self, problem: Problem) -> Scores:
        """The inner scores; the reason names the group whose share pays."""
        scored = self.inner.score(problem)
        names = self.groups(problem)
        reason = [f"{why} ({name})" for why, name in zip(scored.reason, names, strict=True)]
        return replace(scored, reason=reason)

    def groups(self, problem: Problem) -> tuple[str, ...]:
        """The group of each instance; raises InvalidInput where the table lacks the tag."""
        given = problem.features.categories.get(self.tag)
        if given is None:
            raise InvalidInput(f"Shares by {self.tag} need instances with that tag.")
        return tuple(self._group(each) for each in given)

    def plan(self, problem: Problem, scores: Scores, budget: float) -> Plan:
        """How `budget` is divided over the groups that are there, by what can be bought in each."""
        names = np.array(self.groups(problem))
        buyable = scores.gain > -np.inf
        groups = [
            Group(
                str(name),
                int((buyable & (names == name)).sum()),
                float(scores.cost[names == name].mean()),
                self.curves[str(name)],
                self.labelled.get(str(name), 0),
            )
            for name in np.unique(names)
        ]
        return allocate(groups, budget, minimum=self.minimum, equitable=self.equitable)

    def select(self, problem: Problem, scores: Scores, budget: float, *, salt: str) -> Bools:
        """Each group spends its share by `inner`.

        What they cannot spend goes to the best of all groups, unless `inner` leaves money itself.
        """
        mask = np.zeros(len(problem), dtype=bool)
        if not len(problem):
            return mask
        names = np.array(self.groups(problem))
        for name, money in self.plan(problem, scores, budget).money.items():
            rows = names == name
            part = problem.take(rows)
            mask[rows] = select(self.inner, part, _taken(scores, rows), money, salt=salt)
        if isinstance(self.inner, Selecting):
            return mask
        left = max(0.0, budget - float(scores.cost[mask].sum()))
        return mask | select(self.inner, problem, scores, left, salt=salt, closed=mask)

    def chances(self, problem: Problem, scores: Scores, chosen: Bools, closed: Bools) -> Floats:
        """(n,) π: every group has a threshold of its own."""
        found = np.zeros(len(problem))
        names = np.array(self.groups(problem))
        for name in np.unique(names):
            rows = names == name
            found[rows] = propensities(
                self.inner,
                problem.take(rows),
                _taken(scores, rows),
                chosen[rows],
                closed=closed[rows],
            )
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            "strategy": "allocated",
            "inner": dict(self.inner.to_json()),
            "tag": self.tag,
            "curves": {name: curve.to_json() for name, curve in self.curves.items()},
            "labelled": dict(self.labelled),
            "minimum": self.minimum,
            "equitable": self.equitable,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], load_inner: Load) -> Self:
        return cls(
            load_inner(stored["inner"]),
            stored["tag"],
            {name: Curve.from_json(curve) for name, curve in stored["curves"].items()},
            stored["labelled"],
            stored["minimum"],
            stored["equitable"],
        )

    def _group(self, given: str) -> str:
        return next((value for value in given.split(SEVERAL) if value in self.curves), REST)


def fit(
    seed: Seed,
    fit_inner: Fit,
    *,
    inner: str = "learned-error",
    options: Mapping[str, Any] | None = None,
    tag: str = "domain",
    minimum: float = 0.0,
    equitable: bool = False,
    salt: str = "learning",
) -> Allocated:
    """Learning curves by `tag` and the strategy of key `inner` with its own `options`.

    Raises:
        InvalidInput: no embeddings, no such tag, or what the inner strategy cannot learn from.
    """
    curves = curves_of(seed, tag, salt=salt)
    counted = {name: int(mask.sum()) for name, mask in groups_of(seed, tag).items()}
    # The rest is what has no curve of its own, though its curve is that of all.
    own = [mask for name, mask in groups_of(seed, tag).items() if name in curves and name != REST]
    counted[REST] = len(seed) - int(np.any(own, axis=0).sum()) if own else len(seed)
    labelled = {name: counted[name] for name in curves}
    fitted = fit_inner(inner, seed, options or {})
    return Allocated(fitted, tag, curves, labelled, minimum, equitable)


def _taken(scores: Scores, rows: Bools) -> Scores:
    places = np.flatnonzero(rows)
    return Scores(
        scores.gain[rows],
        scores.cost[rows],
        scores.propensity[rows],
        [scores.reason[i] for i in places.tolist()],
        None if scores.rest is None else scores.rest[rows],
    )
