"""The arms of a comparison: strategies that are fitted on one part and route the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from core.exceptions import InvalidInput
from routing.features.evidence import undirected
from routing.features.table import FeatureTable
from routing.lab.plan import Options
from routing.strategies import registry
from routing.strategies.judge_uncertainty import SIGNALS
from routing.strategies.problem import Problem, Seed, Strategy

ALL_HUMAN, ALL_JUDGE = "all-human", "all-judge"
RANDOM, ORACLE, LEARNED = "random", "oracle", "learned"
# A single uncertainty signal is an arm of its own: `signal:judge_flip`.
SIGNAL = "signal:"
# Strategies that decide before a judge is asked, and the one that knows which side it took.
BLIND = ("hyper-", "d-optimal")
ALONE = {
    "judge_flip": "swap flip alone",
    "judge_confidence": "judge confidence alone",
    "panel_disagreement": "panel disagreement alone",
    "judge_gap": "order gap alone",
    "panel_spread": "panel spread alone",
}


@dataclass(frozen=True)
class Draw:
    """What one seed of a comparison hands to the arms; `gains` are the oracle's, by key."""

    salt: str
    index: int
    options: Options
    gains: Mapping[str, float]


@dataclass(frozen=True)
class Contestant:
    """`fit` makes its strategy; `sees` is the part of the features it may read."""

    key: str
    title: str
    fit: Callable[[Seed, Draw], Strategy]
    sees: Callable[[FeatureTable], FeatureTable]

    def view(self, problem: Problem) -> Problem:
        return replace(problem, features=self.sees(problem.features))


def contestant(key: str) -> Contestant:
    """The arm of a key: a strategy of the registry, or `signal:` and a single signal.

    Raises:
        InvalidInput: there is no such strategy or signal; names those there are.
    """
    if key.startswith(SIGNAL):
        return _single(key.removeprefix(SIGNAL))
    spec = registry.spec_of(key)

    def fit(seed: Seed, draw: Draw) -> Strategy:
        return spec.fit(seed, _options(key, draw))

    return Contestant(key, spec.title, fit, _sees(key))


def singles(table: FeatureTable) -> list[str]:
    """The arms of the single signals that tell instances of `table` apart."""
    return [f"{SIGNAL}{name}" for name in ALONE if name in table.names and varies(table, name)]


def varies(table: FeatureTable, name: str) -> bool:
    """Whether a signal differs between instances: otherwise it can choose nothing."""
    values = table.column(name)
    return values is not None and len(set(values[~np.isnan(values)].tolist())) > 1


def doubts(table: FeatureTable) -> bool:
    """Whether judge uncertainty can choose at all."""
    return any(varies(table, name) for name in SIGNALS)


def _single(name: str) -> Contestant:
    if name not in ALONE:
        raise InvalidInput(f"There is no signal {name!r}: choose one of {', '.join(ALONE)}.")

    def fit(seed: Seed, draw: Draw) -> Strategy:
        return registry.fit("judge-uncertainty", None, {"signals": (name,)})

    return Contestant(f"{SIGNAL}{name}", ALONE[name], fit, undirected)


def _sees(key: str) -> Callable[[FeatureTable], FeatureTable]:
    if key == LEARNED:
        return lambda table: table
    if key.startswith(BLIND):
        return lambda table: undirected(table).without_judge()
    return undirected


def _options(key: str, draw: Draw) -> dict[str, Any]:
    """What the registry's `fit` of a strategy takes here; its own defaults otherwise."""
    given: dict[str, Any] = {}
    if key.startswith("hyper-"):
        given = {"rng_seed": draw.index, "salt": draw.salt, "mixes": draw.options.mixes}
        given |= {"ridge": draw.options.ridge, "report": False}
    elif key == RANDOM:
        given = {"salt": draw.salt}
    elif key == ORACLE:
        given = {"gains": draw.gains}
    return given | dict(draw.options.given.get(key, {}))


def choose_arms(table: FeatureTable, asked: Sequence[str], *, embeddings: bool) -> list[Contestant]:
    """The asked arms that can be tried on these data, with random and oracle always among them."""
    keys = [RANDOM, *(key for key in asked if key not in {RANDOM, ORACLE}), ORACLE]
    needs_vectors = registry.EMBEDDINGS
    return [
        contestant(key)
        for key in dict.fromkeys(keys)
        if key.startswith(SIGNAL) or embeddings or needs_vectors not in registry.spec_of(key).needs
    ]
