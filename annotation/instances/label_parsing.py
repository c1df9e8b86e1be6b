"""From the labels of one line to recorded labels, by the interchange format. Pure; no database.

| input                                        | outcome                                         |
|----------------------------------------------|-------------------------------------------------|
| no criterion                                 | the project's first                             |
| a criterion that the project has not         | refused, with the names of those there are      |
| `scores` on a criterion that is scored       | kept; each must be a level of it, or null       |
| `scores` beside a ranking, elsewhere         | kept as the attribute `scores`                  |
| `scores` and no ranking, elsewhere           | ranked by them, and kept as the attribute       |
| a kind of tie, and no ranking                | all share the first rank; `cannot judge` ranks  |
|                                              | nothing                                         |
| a kind of tie beside a preference            | refused                                         |
| ranking of another length, or not of whole   | refused                                         |
| numbers ≥ 1                                  |                                                 |
| dense ranks (`[1, 1, 2]`)                    | accepted, kept as competition ranks             |
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from annotation.projects.models import Kind, TieKind
from annotation.queue.purposes import Purpose
from core.exceptions import InvalidInput

from .content import LabelContent, competition_ranks
from .models import Origin

MAX_NAME_CHARACTERS = 100
MAX_REASONS = 50
MAX_SECONDS = 24 * 3600
SCORED = frozenset({Kind.RATING, Kind.BINARY})
_COMMON = frozenset(
    [
        "ranking",
        "strength",
        "attributes",
        "rationale",
        "order",
        "simulated",
        "criterion",
        "scores",
        "tie_kind",
        "confidence",
        "reasons",
        "seconds",
        "created_at",
        "unranked",
        "edit",
        "purpose",
    ]
)
KNOWN = {
    "human": _COMMON | {"annotator"},
    "ai": _COMMON | {"judge", "rationales", "probability"},
}
# What is kept as an attribute of this name.
_EXTRAS = ("rationales", "edit")
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Question:
    """How a criterion is answered; `values` are the levels of one that is scored."""

    kind: str
    values: range = range(0)


# By key, the first one first. None: nothing is known, and every criterion goes.
Questions = Mapping[str, Question] | None


def read_labels(
    value: Mapping[str, Any], count: int, questions: Questions, notes: Counter[str]
) -> list[LabelContent]:
    """People's labels, then judges'; `ordinal` counts those of one annotator on a criterion.

    Raises:
        InvalidInput: a label breaks a rule of the table above.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    labels = []
    for origin, place in ((Origin.HUMAN, "human"), (Origin.JUDGE, "ai")):
        for given in _list(value.get(place), place):
            label = _label(origin, given, count, questions)
            for key in given.keys() - KNOWN[place]:
                notes[f"unknown key {place}[].{key[:60]} ignored"] += 1
            whose = (origin, label.annotator, label.criterion)
            labels.append(replace(label, ordinal=seen[whose]) if seen[whose] else label)
            seen[whose] += 1
    return labels


def _label(origin: Origin, value: Any, count: int, questions: Questions) -> LabelContent:
    name = _whose(origin, value)
    attributes = _extras(value, count, name)
    criterion, question = _question(value.get("criterion"), name, questions)
    scores = _scores(value.get("scores"), count, name)
    tie = _choice(value.get("tie_kind"), TieKind, f"the tie_kind of {name}")
    scored = question is not None and question.kind in SCORED and bool(scores)
    if scored and question is not None:
        _are_levels(scores, question, name)
    elif scores:
        attributes["scores"] = scores
    return LabelContent(
        origin=origin.value,
        annotator=name,
        criterion=criterion,
        ranking=[] if scored else _ranks(value.get("ranking"), scores, tie, count, name),
        scores=scores if scored else [],
        tie_kind=tie,
        unranked=_unranked(value.get("unranked"), count, name),
        shown_order=_shown_order(value.get("order"), count, name),
        strength=_number(value.get("strength"), 1, f"the strength of {name}"),
        probability=_number(value.get("probability"), 1, f"the probability of {name}"),
        confidence=_confidence(value.get("confidence"), name),
        attributes=attributes,
        rationale=_text(value.get("rationale"), f"the rationale of {name}"),
        reasons=_reasons(value.get("reasons"), name),
        seconds=_number(value.get("seconds"), MAX_SECONDS, f"the seconds of {name}"),
        said_at=_moment(value.get("created_at"), name),
        purpose=_choice(value.get("purpose"), Purpose, f"the purpose of {name}") or Purpose.LABEL,
        simulated=value.get("simulated") is True,
    )


def _whose(origin: Origin, value: Any) -> str:
    who = "annotator" if origin == Origin.HUMAN else "judge"
    name = value.get(who) if isinstance(value, dict) else None
    if not isinstance(name, str) or not name.strip():
        raise InvalidInput(f"a {origin} label names no {who}")
    if len(name) > MAX_NAME_CHARACTERS:
        raise InvalidInput(f"{who} must be a text of at most {MAX_NAME_CHARACTERS} characters")
    return name


def _question(key: Any, name: str, questions: Questions) -> tuple[str, Question | None]:
    """The key of the criterion, blank for the first, and how it is answered."""
    first = next(iter(questions), "") if questions else ""
    if key is None or key == "":
        return "", questions.get(first) if questions else None
    if not isinstance(key, str) or len(key) > 40:
        raise InvalidInput(f"the criterion of {name} must be a text of at most 40 characters")
    if questions is not None and key not in questions:
        there = ", ".join(questions)
        raise InvalidInput(f"{name} answers the criterion {key!r}; the project asks {there}")
    return ("" if key == first else key), (questions or {}).get(key)


def _scores(value: Any, count: int, name: str) -> list[float | None]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(each is None or is_number(each) for each in value):
        raise InvalidInput(f"the scores of {name} must be a list of numbers or nulls")
    if len(value) != count:
        raise InvalidInput(f"{name} gave {len(value)} scores for {count} completions")
    return value if any(each is not None for each in value) else []


def _are_levels(scores: list[float | None], question: Question, name: str) -> None:
    for position, score in enumerate(scores):
        if score is None:
            continue
        if score not in question.values:
            low, high = question.values[0], question.values[-1]
            raise InvalidInput(
                f"{name} scored {score:g} where whole numbers from {low} to {high} are asked"
            )
        scores[position] = int(score)


def _ranks(value: Any, scores: list[float | None], tie: str, count: int, name: str) -> list[int]:
    if tie == TieKind.CANNOT_JUDGE:
        if value:
            raise InvalidInput(f"{name} cannot judge, and ranks nothing")
        return []
    if value is None and tie:
        return [1] * count
    if value is None and scores:
        given = [score for score in scores if score is not None]
        if len(given) != count:
            raise InvalidInput(f"{name} scored only some completions, and ranked none")
        return competition_ranks([-score for score in given])
    ranks = _ranking(value, count, name)
    if tie and set(ranks) != {1}:
        raise InvalidInput(f"{name} has a preference, and calls it {tie!r}")
    return ranks


def _ranking(value: Any, count: int, name: str) -> list[int]:
    if not isinstance(value, list) or not all(_is_whole(rank) and rank >= 1 for rank in value):
        raise InvalidInput(f"the ranking of {name} must be a list of whole numbers from 1")
    if len(value) != count:
        raise InvalidInput(f"the ranking of {name} has {len(value)} ranks for {count} completions")
    return competition_ranks(value)


def _unranked(value: Any, count: int, name: str) -> list[int]:
    if value is None:
        return []
    positions = _list(value, f"unranked of {name}")
    if not all(_is_whole(each) and 0 <= each < count for each in positions):
        raise InvalidInput(f"unranked of {name} must be a list of positions")
    return sorted(set(positions))


def _shown_order(value: Any, count: int, name: str) -> list[int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(map(_is_whole, value)):
        raise InvalidInput(f"the order of {name} must be a list of positions")
    if sorted(value) != list(range(count)):
        raise InvalidInput(f"the order of {name} must name each of the {count} positions once")
    return value


def _extras(value: Mapping[str, Any], count: int, name: str) -> dict[str, Any]:
    attributes = value.get("attributes")
    if attributes is not None and not isinstance(attributes, dict):
        raise InvalidInput(f"attributes of {name} must be a JSON object")
    extras = {key: value[key] for key in _EXTRAS if value.get(key) is not None}
    if (edit := extras.get("edit")) is not None:
        whole = isinstance(edit, dict) and isinstance(edit.get("text"), str)
        if not whole or not _is_whole(edit.get("position")) or edit["position"] not in range(count):
            raise InvalidInput(f"the edit of {name} needs a position and a text")
    return (attributes or {}) | extras


def _number(value: Any, most: float, what: str) -> float | None:
    if value is None:
        return None
    if not is_number(value) or not 0 <= value <= most:
        raise InvalidInput(f"{what} must be a number from 0 to {most}")
    return float(value)


def _confidence(value: Any, name: str) -> int | None:
    if value is not None and not (_is_whole(value) and 1 <= value <= 5):
        raise InvalidInput(f"the confidence of {name} must be a whole number from 1 to 5")
    return value  # type: ignore[no-any-return]


def _reasons(value: Any, name: str) -> list[str]:
    reasons = _list(value, f"reasons of {name}")
    short = all(isinstance(each, str) and 0 < len(each) <= 60 for each in reasons)
    if not short or len(reasons) > MAX_REASONS:
        raise InvalidInput(f"reasons of {name} are texts of at most 60 characters")
    return reasons


def _moment(value: Any, name: str) -> datetime | None:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise InvalidInput(f"created_at of {name} must be a time as ISO 8601 has it") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if not _EARLIEST <= moment <= datetime.now(UTC):
        raise InvalidInput(f"created_at of {name} lies in the future or before {_EARLIEST.year}")
    return moment


def _choice(value: Any, choices: Any, what: str) -> str:
    if value is None or value == "":
        return ""
    if value not in choices.values:
        raise InvalidInput(f"{what} must be one of: {', '.join(choices.values)}")
    return str(value)


def _list(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidInput(f"{what} must be a JSON list")
    return value


def _text(value: Any, what: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{what} must be a text")
    return value


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number that is finite."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def label_of_pair(label: LabelContent, pair: tuple[int, int]) -> LabelContent | None:
    """The label as far as it speaks of two completions; None where it tells nothing of them.

    A strength or a probability spoke of the whole ranking.
    """
    if label.unranked and set(pair) <= set(label.unranked):
        return None
    scores = [label.scores[position] for position in pair] if label.scores else []
    if scores and not any(score is not None for score in scores):
        return None
    shown = label.shown_order
    return replace(
        label,
        ranking=competition_ranks([label.ranking[position] for position in pair])
        if label.ranking
        else [],
        scores=scores,
        unranked=[],
        shown_order=[pair.index(each) for each in shown if each in pair] if shown else None,
        strength=None,
        probability=None,
        attributes={
            key: [values[position] for position in pair]
            if isinstance(values, list) and len(values) == _length(label)
            else values
            for key, values in label.attributes.items()
            if key != "edit"
        },
    )


def _length(label: LabelContent) -> int:
    return len(label.ranking or label.scores)
