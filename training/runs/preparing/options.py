"""What a person asks of the rows of a run: their mode, weights, noise rates and filters. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from core.exceptions import InvalidInput

KEYS = ("data_mode", "weight_by", "weight_cap", "noise", "filters")
MODES = ("consensus", "annotators")
WEIGHTS = ("none", "propensity", "agreement")
NOISE = ("none", "estimated")
UNKNOWN = ("keep", "drop")
# Signals of write-back that a filter may bound, in the order in which the steps are shown.
SIGNALS = ("difficulty", "reward_margin", "reward_variance", "label_trust")
Band = tuple[float | None, float | None]


@dataclass(frozen=True)
class Filters:
    """Which rows are left out. A band (low, high) holds both ends; None leaves one open.

    Attributes:
        agreement: of the labels behind a row: max(p, 1 − p) of a pair, of more completions the
            largest share of the others that one beats.
        signals: a band by name of `SIGNALS`.
        hardest: the share of the rows with a known difficulty that is dropped from the top.
        sources: kept sources of labels; empty keeps all.
        tags: kept only with one of these, and `without`: dropped with one of these.
        unknown: whether a row without the signal of a filter is kept or dropped.
    """

    agreement: Band | None = None
    signals: Mapping[str, Band] = field(default_factory=dict)
    hardest: float = 0.0
    sources: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    unknown: str = "keep"

    @property
    def read(self) -> tuple[str, ...]:
        """The signals that are needed."""
        wanted = {*self.signals, *(["difficulty"] if self.hardest else [])}
        return tuple(name for name in SIGNALS if name in wanted)


@dataclass(frozen=True)
class DataOptions:
    """`mode`: a row per consensus, or one per annotator's label. `weight_cap` bounds a weight."""

    mode: str = "consensus"
    weight_by: str = "none"
    weight_cap: float = 10.0
    noise: str = "none"
    filters: Filters = Filters()

    def as_json(self) -> dict[str, Any]:
        """As `data_options` reads it, without what was left as it is."""
        flat = asdict(self)
        filters = flat.pop("filters")
        bands = filters.pop("signals")
        names = dict(zip(("mode", "weight_by", "weight_cap", "noise"), KEYS, strict=False))
        plain = asdict(DataOptions())
        found = {names[name]: value for name, value in flat.items() if value != plain[name]}
        kept = {n: v for n, v in (filters | bands).items() if v != plain["filters"].get(n)}
        kept = {n: list(v) if isinstance(v, tuple) else v for n, v in kept.items()}
        return found | ({"filters": kept} if kept else {})


def data_options(options: Mapping[str, Any]) -> DataOptions:
    """The options of `KEYS`, checked; others are somebody else's.

    Raises:
        InvalidInput: an unknown value; names the option and what it may be.
    """
    cap = _number("weight_cap", options.get("weight_cap", 10.0), 1.0, 1e6)
    return DataOptions(
        mode=_one_of("data_mode", options.get("data_mode") or MODES[0], MODES),
        weight_by=_one_of("weight_by", options.get("weight_by") or WEIGHTS[0], WEIGHTS),
        weight_cap=cap,
        noise=_one_of("noise", options.get("noise") or NOISE[0], NOISE),
        filters=_filters(options.get("filters") or {}),
    )


def _filters(given: Any) -> Filters:
    if not isinstance(given, Mapping):
        raise InvalidInput('`filters` must be an object such as {"agreement": [0.6, null]}.')
    known = ("agreement", *SIGNALS, "hardest", "sources", "tags", "without", "unknown")
    for name in given:
        if name not in known:
            raise InvalidInput(f"There is no filter {str(name)[:40]!r}: use {', '.join(known)}.")
    bands = {name: _band(name, given[name]) for name in SIGNALS if given.get(name) is not None}
    agreement = given.get("agreement")
    return Filters(
        agreement=None if agreement is None else _band("agreement", agreement),
        signals=bands,
        hardest=_number("hardest", given.get("hardest") or 0.0, 0.0, 0.95),
        sources=_names("sources", given.get("sources")),
        tags=_names("tags", given.get("tags")),
        without=_names("without", given.get("without")),
        unknown=_one_of("unknown", given.get("unknown") or UNKNOWN[0], UNKNOWN),
    )


def _band(name: str, value: Any) -> Band:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise InvalidInput(f"`{name}` is a band of two numbers such as [0.6, null].")
    low, high = (None if end is None else _number(name, end, -math.inf, math.inf) for end in value)
    if low is not None and high is not None and low > high:
        raise InvalidInput(f"The band of `{name}` ends below where it begins.")
    return low, high


def _number(name: str, value: Any, low: float, high: float) -> float:
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (TypeError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InvalidInput(f"`{name}` must be a number.")
    if not low <= number <= high:
        raise InvalidInput(f"`{name}` must be from {low:g} to {high:g}.")
    return number


def _names(name: str, value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InvalidInput(f"`{name}` is a list of names.")
    return tuple(sorted({str(each) for each in value}))


def _one_of(name: str, value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise InvalidInput(f"`{name}` is {str(value)[:40]!r}: choose {' or '.join(known)}.")
    return str(value)
