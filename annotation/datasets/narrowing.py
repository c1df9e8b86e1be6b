"""The parts of a query that narrow what a snapshot holds: checked, and written one way. Pure.

A part that is absent narrows nothing and is not in the normal form.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from annotation.instances.models import InstanceState
from annotation.labels.models import AnnotatorKind
from annotation.queue.models import Arm, Destination
from core.exceptions import InvalidInput

SOURCES = ("human", "judge", "both", "simulated-human", "simulated-judge", "simulated-both")
SIMULATED = ("only", "without")
UNKNOWN = ("drop", "keep")
MOST_NAMES = 1000
MOST_SIGNALS = 20
# Which part of the data each narrows; those of consensus need one criterion.
OF_LABELS = ("kinds", "annotators", "cohorts", "simulated", "dates", "reasons")
OF_CONSENSUS = ("sources", "consensus", "agreement")
OF_INSTANCES = ("states", "tags", "decisions", "signals", "unknown")
KEYS = (*OF_LABELS, *OF_CONSENSUS, *OF_INSTANCES)


def checked(query: Mapping[str, Any]) -> dict[str, Any]:
    """The narrowing parts of a query, each in its normal form; empty ones are left out.

    Raises:
        InvalidInput: a part says what it cannot; names it and what it may.
    """
    given = {name: query[name] for name in KEYS if query.get(name) not in (None, "", [], {}, ())}
    found = {name: CHECKS[name](name, value) for name, value in given.items()}
    found = {name: value for name, value in found.items() if value}
    if "signals" not in found:
        found.pop("unknown", None)
    # What is meant without saying so is not said.
    if found.get("unknown") == UNKNOWN[0]:
        del found["unknown"]
    return found


def _some_of(*known: str) -> Callable[[str, Any], list[str]]:
    def check(name: str, value: Any) -> list[str]:
        names = _names(name, value)
        for each in names:
            _one_of(name, each, known)
        return names

    return check


def _word(*known: str) -> Callable[[str, Any], str]:
    return lambda name, value: _one_of(name, value, known)


def _names(name: str, value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, (Sequence, set, frozenset)):
        raise InvalidInput(f"`{name}` is a list of names.")
    if len(value) > MOST_NAMES or not all(isinstance(each, str) for each in value):
        raise InvalidInput(f"`{name}` is a list of at most {MOST_NAMES} names.")
    return sorted({each.replace("\0", "").strip()[:200] for each in value} - {""})


def _one_of(name: str, value: Any, known: Sequence[str]) -> str:
    if value not in known:
        shown = str(value)[:40]
        raise InvalidInput(f"Unknown {name} {shown!r} in the query: use {', '.join(known)}.")
    return str(value)


def _parts(name: str, value: Any, known: Sequence[str]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"`{name}` must be an object with {', '.join(known)}.")
    for each in value:
        _one_of(f"part of {name}", each, known)
    return {key: each for key, each in value.items() if each not in (None, "", [])}


def _in_and_out(inside: str, outside: str) -> Callable[[str, Any], dict[str, Any]]:
    def check(name: str, value: Any) -> dict[str, Any]:
        parts = _parts(name, value, (inside, outside))
        found = {key: _names(f"{name}.{key}", each) for key, each in parts.items()}
        return {key: each for key, each in sorted(found.items()) if each}

    return check


def _dates(name: str, value: Any) -> dict[str, str]:
    """Moments in UTC: `from` and later, and before `to`; a day as `to` is one that still counts."""
    parts = _parts(name, value, ("from", "to"))
    found = {key: _moment(f"{name}.{key}", each, key == "to") for key, each in parts.items()}
    if len(found) == len(parts) == 2 and found["from"] >= found["to"]:
        raise InvalidInput("`dates` ends before it begins.")
    return {key: each.isoformat() for key, each in sorted(found.items())}


def _moment(name: str, value: Any, end: bool) -> datetime:
    text = str(value)
    try:
        if len(text) == len("2026-01-31"):
            day = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            return day + timedelta(days=1) if end else day
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(
            f"`{name}` must be a day such as 2026-01-31, or a moment in ISO 8601."
        ) from None


def _consensus(name: str, value: Any) -> dict[str, Any]:
    parts = _parts(name, value, ("methods", "versions"))
    found: dict[str, Any] = {}
    if "methods" in parts:
        found["methods"] = _names("consensus.methods", parts["methods"])
    if "versions" in parts:
        found["versions"] = _whole("consensus.versions", parts["versions"])
    return found


def _whole(name: str, value: Any) -> list[int]:
    numbers = value if isinstance(value, Sequence) and not isinstance(value, str) else None
    if numbers is None or not all(
        isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 2**31
        for each in numbers
    ):
        raise InvalidInput(f"`{name}` is a list of whole numbers.")
    return sorted(set(numbers))


def _agreement(name: str, value: Any) -> dict[str, float]:
    parts = _parts(name, value, ("least", "most"))
    found = {key: _number(f"{name}.{key}", each, 0.0, 1.0) for key, each in sorted(parts.items())}
    if found.get("least", 0.0) > found.get("most", 1.0):
        raise InvalidInput("The band of `agreement` ends below where it begins.")
    return found


def _decisions(name: str, value: Any) -> dict[str, Any]:
    known = ("arms", "destinations", "strategies", "routers", "propensity_known")
    parts = _parts(name, value, known)
    found: dict[str, Any] = {}
    for key, each in sorted(parts.items()):
        if key == "propensity_known":
            if not isinstance(each, bool):
                raise InvalidInput("`decisions.propensity_known` is true or false.")
            found[key] = each
        elif key == "routers":
            found[key] = _whole("decisions.routers", each)
        elif key == "strategies":
            found[key] = _names("decisions.strategies", each)
        else:
            values = Arm.values if key == "arms" else Destination.values
            found[key] = _some_of(*values)(f"decisions.{key}", each)
    return found


def _signals(name: str, value: Any) -> dict[str, list[float | None]]:
    if not isinstance(value, Mapping) or len(value) > MOST_SIGNALS:
        raise InvalidInput(f"`{name}` has a band such as [0.2, null] by name of a signal.")
    found = {str(each)[:60]: _band(f"signals.{each}"[:80], value[each]) for each in sorted(value)}
    return {each: band for each, band in found.items() if band != [None, None]}


def _band(name: str, value: Any) -> list[float | None]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise InvalidInput(f"`{name}` is a band of two numbers such as [0.2, null].")
    low, high = (
        None if each in (None, "") else _number(name, each, -math.inf, math.inf) for each in value
    )
    if low is not None and high is not None and low > high:
        raise InvalidInput(f"The band of `{name}` ends below where it begins.")
    return [low, high]


def _number(name: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise InvalidInput(f"`{name}` must be a number.")
    try:
        number = float(value)
    except OverflowError:
        number = math.nan
    if not math.isfinite(number) or not low <= number <= high:
        raise InvalidInput(f"`{name}` must be a number from {low:g} to {high:g}.")
    return number


CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "kinds": _some_of(*AnnotatorKind.values),
    "annotators": _in_and_out("in", "out"),
    "cohorts": _names,
    "simulated": _word(*SIMULATED),
    "dates": _dates,
    "reasons": _names,
    "sources": _some_of(*SOURCES),
    "consensus": _consensus,
    "agreement": _agreement,
    "states": _some_of(*InstanceState.values),
    "tags": _in_and_out("any", "without"),
    "decisions": _decisions,
    "signals": _signals,
    "unknown": _word(*UNKNOWN),
}
