"""The options of strategies that a project may set: their names, and which values they take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from core.exceptions import InvalidInput
from routing.strategies.judge_uncertainty import WORDS
from routing.strategies.registry import INNER, SPECS

NOT_INNER = frozenset({"oracle", *INNER})


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`."""

    low: float
    high: float
    whole: bool = False

    def takes(self, value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f"{self.low:,} … {self.high:,}"


@dataclass(frozen=True)
class Word:
    """One of the words, or with `several` a list of some."""

    words: tuple[str, ...]
    several: bool = False

    def takes(self, value: Any) -> bool:
        if not self.several:
            return isinstance(value, str) and value in self.words
        return isinstance(value, list) and bool(value) and all(v in self.words for v in value)

    def __str__(self) -> str:
        return (", " if self.several else " | ").join(self.words)


@dataclass(frozen=True)
class Key(Word):
    """The key of a strategy: too many to be listed at each place."""

    def __str__(self) -> str:
        return _("key of a strategy, like %(key)s") % {"key": self.words[0]}


@dataclass(frozen=True)
class Name:
    """A short word of one's own."""

    def takes(self, value: Any) -> bool:
        return isinstance(value, str) and 0 < len(value) <= 40

    def __str__(self) -> str:
        return "…"


@dataclass(frozen=True)
class Switch:
    def takes(self, value: Any) -> bool:
        return isinstance(value, bool)

    def __str__(self) -> str:
        return "true | false"


Kind = Number | Word | Name | Switch
RIDGE, RANK = Number(0.001, 100_000), Number(1, 1024, whole=True)
HYPER: dict[str, Kind] = {
    "selection": Word(("top-k", "simulated", "positive", "marginal")),
    "epsilon": Number(0, 1),
    "draws": Number(10, 5000, whole=True),
    "share": Number(0.001, 1),
    "mixes": Number(30, 2000, whole=True),
    "ridge": RIDGE,
}
PROMISE: dict[str, Kind] = {"alpha": Number(0.001, 0.5), "delta": Number(0.001, 0.5)}
INSIDE = Key(tuple(key for key in SPECS if key not in NOT_INNER))
OPTIONS: dict[str, dict[str, Kind]] = {
    "hyper-linear": HYPER,
    "hyper-quadratic": HYPER,
    "hyper-boosted": HYPER,
    "influence": {"ridge": RIDGE},
    "judge-uncertainty": {
        "signals": Word(tuple(WORDS), several=True),
        "combine": Word(("max", "mean")),
    },
    "reward-uncertainty": {
        "source": Word(("ensemble", "laplace")),
        "ridge": RIDGE,
        "rank": RANK,
    },
    "small-margin": {"of": Word(("judge", "reward"))},
    "active-preference": {"shortlist": Number(0.01, 1)},
    "d-optimal": {"ridge": RIDGE, "rank": RANK, "greedy": Number(0, 5000, whole=True)},
    "escalation": PROMISE,
    "cascade": PROMISE,
    "verifier-first": {"inner": INSIDE},
    "allocated": {
        "inner": INSIDE,
        "tag": Name(),
        "minimum": Number(0, 1),
        "equitable": Switch(),
    },
}


def check_options(key: str, options: Any) -> None:
    """Raises InvalidInput naming the option of the strategy that does not fit, and what would."""
    if not isinstance(options, Mapping):
        raise InvalidInput(_("Options are an object, like {}."))
    known = OPTIONS.get(key, {})
    for name, value in options.items():
        if name == "options" and key in INNER:
            check_options(str(options.get("inner", INNER[key])), value)
        elif name not in known:
            raise InvalidInput(
                _("%(strategy)s has no option %(name)s. It has: %(known)s.")
                % {"strategy": key, "name": str(name)[:40], "known": ", ".join(known) or "–"}
            )
        elif not known[name].takes(value):
            raise InvalidInput(
                _("The option %(name)s takes: %(kind)s.") % {"name": name, "kind": known[name]}
            )


def grouped() -> list[tuple[str, dict[str, Kind]]]:
    """The options for people to read; strategies that have the same stand together."""
    found: list[tuple[str, dict[str, Kind]]] = []
    for key, known in OPTIONS.items():
        if found and found[-1][1] == known:
            found[-1] = (f"{found[-1][0]}, {key}", known)
        else:
            found.append((key, known))
    return found
