"""Every strategy by its key: how it is fitted, how it is read back, and what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.exceptions import InvalidInput
from routing.strategies import hyper, learned, learned_error
from routing.strategies.hyper import HyperRouter
from routing.strategies.judge_uncertainty import JudgeUncertainty
from routing.strategies.learned import LearnedRouter
from routing.strategies.learned_error import LearnedErrorRouter
from routing.strategies.oracle import Oracle
from routing.strategies.problem import Seed, Strategy
from routing.strategies.random import Random

Options = Mapping[str, Any]
# What a strategy needs before it can be fitted or can score.
SEED, JUDGE_SIGNALS, EMBEDDINGS = "dual-labelled seed", "judge signals", "embeddings"
REWARD, VERIFIER_NEED = "reward-model signals", "verifier"


@dataclass(frozen=True)
class Spec:
    """`fit(seed, options)` makes the strategy (seed None where `SEED` is not needed); `load` reads
    what its `to_json` wrote."""

    key: str
    title: str
    fit: Callable[[Seed | None, Options], Strategy]
    load: Callable[[Mapping[str, Any]], Strategy]
    needs: frozenset[str] = frozenset()


def needed(seed: Seed | None) -> Seed:
    """The seed of a strategy that cannot do without.

    Raises:
        InvalidInput: there is none.
    """
    if seed is None:
        raise InvalidInput("This strategy learns from dual-labelled instances: label a seed first.")
    return seed


SPECS: dict[str, Spec] = {
    spec.key: spec
    for spec in (
        Spec(
            "hyper-linear",
            "HyPER, linear",
            lambda seed, options: hyper.fit(needed(seed), **options),
            HyperRouter.from_json,
            frozenset({SEED, EMBEDDINGS}),
        ),
        Spec(
            "learned-error",
            "Learned error",
            lambda seed, options: learned_error.fit(needed(seed), **options),
            LearnedErrorRouter.from_json,
            frozenset({SEED, JUDGE_SIGNALS}),
        ),
        Spec(
            "learned",
            "Learned combination",
            lambda seed, options: learned.fit(needed(seed), **options),
            LearnedRouter.from_json,
            frozenset({SEED, JUDGE_SIGNALS}),
        ),
        Spec(
            "judge-uncertainty",
            "Judge uncertainty",
            lambda seed, options: JudgeUncertainty(**options),
            JudgeUncertainty.from_json,
            frozenset({JUDGE_SIGNALS}),
        ),
        Spec("random", "Random", lambda seed, options: Random(**options), Random.from_json),
        Spec("oracle", "Oracle", lambda seed, options: Oracle(**options), Oracle.from_json),
    )
}


def spec_of(key: str) -> Spec:
    """Raises InvalidInput, naming the known ones, for a key that no strategy has."""
    if key not in SPECS:
        raise InvalidInput(f"There is no strategy {key!r}: choose one of {', '.join(SPECS)}.")
    return SPECS[key]


def fit(key: str, seed: Seed | None, options: Options) -> Strategy:
    """Raises InvalidInput for an unknown key, and for what the strategy cannot learn from."""
    return spec_of(key).fit(seed, options)


def load(stored: Mapping[str, Any]) -> Strategy:
    """The strategy that `to_json` wrote."""
    return spec_of(str(stored["strategy"])).load(stored)
