"""Verifier first: a program decides where it can; people come where it cannot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from core.exceptions import InvalidInput
from routing.features.table import Bools, Floats, Ints
from routing.strategies.problem import JUDGE, VERIFIER, Problem, Scores, Seed, Strategy
from routing.strategies.selecting import Selecting

# 1 where a programmatic check exists for the instance, 0 or NaN where none does.
EXISTS = "verifier_exists"
# 1 where the check preferred one completion, 0 where it could not, NaN where it did not run.
KNOWN = "verifier_known"
DECIDED = "a program decides this one"
FIRST = "a program can check this one: it is asked first"
TIED = "the program cannot tell the completions apart"


class SelectingStrategy(Strategy, Selecting, Protocol):
    """A strategy with a selection of its own."""


Fit = Callable[[str, Seed | None, Mapping[str, Any]], Strategy]
Load = Callable[[Mapping[str, Any]], Strategy]


@dataclass(frozen=True)
class VerifierFirst:
    """What the verifier decided or has yet to check is never bought; `inner` scores the rest.

    An instance that has yet to be checked says `rest` = "verifier" and is scored again afterwards.
    """

    inner: Strategy

    @property
    def reads_judge(self) -> bool:
        return self.inner.reads_judge

    def score(self, problem: Problem) -> Scores:
        exists, known = _column(problem, EXISTS), _column(problem, KNOWN)
        if exists is None and known is None:
            raise InvalidInput(f"Verifier first needs the signal {EXISTS} or {KNOWN}.")
        absent = np.full(len(problem), np.nan)
        exists, known = (absent if column is None else column for column in (exists, known))
        decided = known == 1
        unasked = np.isnan(known) & (exists == 1)
        scored = self.inner.score(problem)
        rest = np.full(len(problem), JUDGE) if scored.rest is None else scored.rest
        code = np.select([decided, unasked, known == 0], [0, 1, 2], 3)
        shut = decided | unasked
        return Scores(
            np.where(shut, -np.inf, scored.gain),
            scored.cost,
            np.where(shut, 0.0, scored.propensity),
            _reasons(code, scored.reason),
            np.where(shut, VERIFIER, rest),
        )

    def to_json(self) -> dict[str, Any]:
        return {"strategy": "verifier-first", "inner": dict(self.inner.to_json())}


@dataclass(frozen=True)
class SelectingVerifierFirst(VerifierFirst):
    """Of an inner strategy that selects by itself, which it goes on doing."""

    inner: SelectingStrategy

    def select(self, problem: Problem, scores: Scores, budget: float, *, salt: str) -> Bools:
        return self.inner.select(problem, scores, budget, salt=salt)


def before(inner: Strategy) -> VerifierFirst:
    """The verifier before `inner`."""
    if isinstance(inner, Selecting):
        return SelectingVerifierFirst(cast("SelectingStrategy", inner))
    return VerifierFirst(inner)


def load(stored: Mapping[str, Any], load_inner: Load) -> VerifierFirst:
    return before(load_inner(stored["inner"]))


def fit(
    seed: Seed | None,
    fit_inner: Fit,
    *,
    inner: str = "small-margin",
    options: Mapping[str, Any] | None = None,
) -> VerifierFirst:
    """`inner` is the key of the strategy for what no program can decide, `options` are its own."""
    return before(fit_inner(inner, seed, options or {}))


def _reasons(code: Ints, inner: Sequence[str]) -> list[str]:
    said = {0: DECIDED, 1: FIRST}
    return [
        said[c] if c in said else (f"{TIED}; {inner[i]}" if c == 2 else inner[i])
        for i, c in enumerate(code.tolist())
    ]


def _column(problem: Problem, name: str) -> Floats | None:
    return problem.features.column(name)
