"""Every strategy by its key: how it is fitted, how it is read back, and what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from core.exceptions import InvalidInput
from routing.strategies import (
    allocated,
    cascade,
    d_optimal,
    escalation,
    hyper,
    influence,
    learned,
    learned_error,
    reward_uncertainty,
    verifier_first,
)
from routing.strategies.active_preference import ActivePreference
from routing.strategies.allocated import Allocated
from routing.strategies.cascade import Cascade
from routing.strategies.d_optimal import DOptimal
from routing.strategies.escalation import Escalation
from routing.strategies.hyper import HyperRouter
from routing.strategies.influence import InfluenceRouter
from routing.strategies.judge_uncertainty import JudgeUncertainty
from routing.strategies.learned import LearnedRouter
from routing.strategies.learned_error import LearnedErrorRouter
from routing.strategies.oracle import Oracle
from routing.strategies.problem import Seed, Strategy
from routing.strategies.random import Random
from routing.strategies.small_margin import REWARD_MARGIN, SmallMargin
from routing.strategies.sources import AllHuman, AllJudge

Options = Mapping[str, Any]
# What a strategy needs before it can be fitted or can score.
SEED, JUDGE_SIGNALS, EMBEDDINGS = "dual-labelled seed", "judge signals", "embeddings"
# Signed columns, which live routing makes with what judges' habits are at the time of the fit.
SIDES = "evidence that takes a side"
REWARD, VERIFIER_NEED = "reward-model signals", "verifier"
POLICY = "signals of the policy"
# Strategies that stand around another one, with the one they take unless told.
INNER = {"verifier-first": "small-margin", "allocated": "learned-error"}


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
            "hyper-quadratic",
            "HyPER, quadratic",
            lambda seed, options: hyper.fit(needed(seed), model="quadratic", **options),
            HyperRouter.from_json,
            frozenset({SEED, EMBEDDINGS}),
        ),
        Spec(
            "hyper-boosted",
            "HyPER, boosted trees",
            lambda seed, options: hyper.fit(needed(seed), model="boosted", **options),
            HyperRouter.from_json,
            frozenset({SEED, EMBEDDINGS}),
        ),
        Spec(
            "influence",
            "Influence of a label",
            lambda seed, options: influence.fit(needed(seed), **options),
            InfluenceRouter.from_json,
            frozenset({SEED, EMBEDDINGS, JUDGE_SIGNALS}),
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
        Spec(
            "reward-uncertainty",
            "Reward-model uncertainty",
            lambda seed, options: reward_uncertainty.fit(seed, **options),
            reward_uncertainty.load,
            frozenset({REWARD}),
        ),
        Spec(
            "small-margin",
            "Small margin",
            lambda seed, options: SmallMargin(**options),
            SmallMargin.from_json,
            frozenset({JUDGE_SIGNALS}),
        ),
        Spec(
            "active-preference",
            "Active preference",
            lambda seed, options: ActivePreference(**options),
            ActivePreference.from_json,
            frozenset({POLICY}),
        ),
        Spec(
            "d-optimal",
            "D-optimal design",
            lambda seed, options: d_optimal.fit(needed(seed), **options),
            DOptimal.from_json,
            frozenset({SEED, EMBEDDINGS}),
        ),
        Spec(
            "escalation",
            "Guaranteed escalation",
            lambda seed, options: escalation.fit(needed(seed), **options),
            Escalation.from_json,
            frozenset({SEED, JUDGE_SIGNALS}),
        ),
        Spec(
            "cascade",
            "Cascade: cheap judge, strong judge, people",
            lambda seed, options: cascade.fit(needed(seed), **options),
            Cascade.from_json,
            frozenset({SEED, JUDGE_SIGNALS}),
        ),
        Spec(
            "verifier-first",
            "Verifier first",
            lambda seed, options: verifier_first.fit(seed, fit, **options),
            lambda stored: verifier_first.load(stored, load),
            frozenset({VERIFIER_NEED}),
        ),
        Spec(
            "allocated",
            "Shares by group",
            lambda seed, options: allocated.fit(needed(seed), fit, **options),
            lambda stored: Allocated.from_json(stored, load),
            frozenset({SEED, EMBEDDINGS}),
        ),
        Spec(
            "all-human", "All human", lambda seed, options: AllHuman(**options), AllHuman.from_json
        ),
        Spec(
            "all-judge", "All judge", lambda seed, options: AllJudge(**options), AllJudge.from_json
        ),
        # A salt among the options is not needed: the salt of the selection draws.
        Spec("random", "Random", lambda seed, options: Random(), Random.from_json),
        Spec("oracle", "Oracle", lambda seed, options: Oracle(**options), Oracle.from_json),
    )
}


def spec_of(key: str) -> Spec:
    """Raises InvalidInput, naming the known ones, for a key that no strategy has."""
    if key not in SPECS:
        raise InvalidInput(f"There is no strategy {key!r}: choose one of {', '.join(SPECS)}.")
    return SPECS[key]


def needs_of(key: str, options: Options) -> frozenset[str]:
    """What the strategy needs with these options: those of its inner strategy too.

    Raises:
        InvalidInput: there is no such strategy, or no such inner one.
    """
    found = spec_of(key).needs | ({SIDES} if key == "learned" else set())
    if key == "reward-uncertainty" and options.get("source") == reward_uncertainty.LAPLACE:
        return frozenset({SEED, EMBEDDINGS})
    if key == "small-margin" and options.get("of") == REWARD_MARGIN:
        return frozenset({REWARD})
    if key in INNER:
        inner, of_inner = options.get("inner", INNER[key]), options.get("options") or {}
        if not isinstance(of_inner, Mapping):
            raise InvalidInput("The options of the inner strategy are an object of names.")
        found |= needs_of(str(inner), of_inner)
    return found


def needed_by(stored: Mapping[str, Any]) -> frozenset[str]:
    """What a strategy that `to_json` wrote needs."""
    inner = stored.get("inner")
    given = {**stored, "inner": inner["strategy"], "options": inner} if inner else stored
    return needs_of(str(stored["strategy"]), given)


def fit(key: str, seed: Seed | None, options: Options) -> Strategy:
    """Raises InvalidInput for an unknown key or option, and for what cannot be learned from."""
    spec = spec_of(key)
    try:
        return spec.fit(seed, options)
    except TypeError as error:
        # Options come from people; every other mistake of types is ours.
        if "unexpected keyword argument" not in str(error):
            raise
        raise InvalidInput(f"{spec.title} has no option {str(error).split()[-1]}.") from error


def load(stored: Mapping[str, Any]) -> Strategy:
    """The strategy that `to_json` wrote."""
    return spec_of(str(stored["strategy"])).load(stored)
