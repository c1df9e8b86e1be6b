"""From the fields of the form (`values.py` names them) to answers in canonical positions."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from annotation.instances.content import competition_ranks
from annotation.labels.services import Answer
from annotation.projects.models import Criterion, Kind, Protocol, TieKind
from core.exceptions import InvalidInput

from .values import NONE, PREFIXES

MOST_COMPLETIONS = 64
TIES = frozenset({TieKind.TIE, TieKind.BOTH_GOOD, TieKind.BOTH_BAD})


@dataclass(frozen=True)
class Shown:
    """How the instance stood on the screen: what the places of the form mean."""

    # Canonical positions, first shown first.
    order: Sequence[int]
    # The groups of best–worst scaling, in canonical positions.
    groups: Sequence[Sequence[int]] = ()
    # Texts by canonical position, where an improved one may come with the label.
    texts: Sequence[str] = ()


@dataclass(frozen=True)
class Submitted:
    """What the form sent, in canonical positions."""

    client_id: uuid.UUID
    answers: list[Answer]
    seconds: float | None


def read_submit(
    data: QueryDict, criteria: Sequence[Criterion], protocol: Protocol, shown: Shown
) -> Submitted:
    """The form's fields as answers; a criterion without a choice is left out.

    Marked steps and an improved text go with the first criterion that compares.

    Raises:
        InvalidInput: a field cannot be read.
    """
    found = [_answer(data, criterion, protocol, shown) for criterion in criteria]
    answers = [answer for answer in found if answer is not None]
    judged = any(answer.tie_kind != TieKind.CANNOT_JUDGE for answer in answers)
    if protocol.mark_steps and judged:
        answers = _with(answers, _steps(data, shown))
    if protocol.post_edit:
        answers = _edited(data, answers, shown)
    return Submitted(
        client_id=read_key(data.get("client_id", "")),
        answers=answers,
        seconds=read_seconds(data.get("seconds", "")),
    )


def read_draft(data: QueryDict) -> dict[str, Any]:
    """The payload of a draft: the fields as they are, and the order they refer to.

    Raises:
        InvalidInput: the order cannot be read.
    """
    fields = {name: data.getlist(name) for name in data if name.startswith(PREFIXES)}
    return {"fields": fields, "order": read_order(data.get("order", ""))}


def read_order(raw: str) -> list[int]:
    """The canonical positions as they were on the screen.

    Raises:
        InvalidInput: it is no order of 1 to 64 completions.
    """
    order = [_whole(part) for part in raw.split(",")[: MOST_COMPLETIONS + 1]]
    known = [position for position in order if position is not None]
    if len(order) > MOST_COMPLETIONS or sorted(known) != list(range(len(order))):
        raise InvalidInput(_("The form does not say how the completions stood: reload the page."))
    return known


def read_key(raw: str) -> uuid.UUID:
    try:
        return uuid.UUID(raw)
    except ValueError as error:
        raise InvalidInput(_("An id of the form is no UUID: reload the page.")) from error


def _answer(
    data: QueryDict, criterion: Criterion, protocol: Protocol, shown: Shown
) -> Answer | None:
    key, kind = criterion.key, criterion.asks(protocol)
    value = data.get(f"answer-{key}", "")
    beside: dict[str, Any] = {
        "rationale": data.get(f"rationale-{key}", "").strip(),
        "reasons": tuple(data.getlist(f"reasons-{key}")),
        "confidence": _whole(data.get(f"confidence-{key}", "")),
    }
    if value == TieKind.CANNOT_JUDGE:
        return Answer(key, [], tie_kind=value, **beside)
    if kind in {Kind.RATING, Kind.BINARY}:
        return _scored(data, criterion, shown, beside)
    if value in TIES:
        _no_other_order(data, key, shown)
        return Answer(key, [1] * len(shown.order), tie_kind=value, **beside)
    if kind == Kind.PAIRWISE:
        return _pair(key, value, protocol.strength_levels, shown, beside) if value else None
    if value:
        raise _unknown(value)
    if shown.groups:
        return _grouped(data, key, shown, beside)
    return _ranked(data, key, shown, beside)


def _unknown(value: str) -> InvalidInput:
    message = _("“%(value)s” is no answer: choose one of those shown.")
    return InvalidInput(message % {"value": value[:20]})


def _pair(
    key: str, value: str, levels: int, shown: Shown, beside: Mapping[str, Any]
) -> Answer | None:
    if value[:1] not in {"a", "b"} or _whole(value[1:]) not in range(1, levels + 1):
        raise _unknown(value)
    if len(shown.order) != 2:
        raise InvalidInput(_("Only two completions can be compared as a pair."))
    winner = shown.order[0 if value[0] == "a" else 1]
    ranking = [1 if position == winner else 2 for position in range(2)]
    return Answer(key, ranking, strength=int(value[1:]) / levels, **beside)


def _ranks(data: QueryDict, key: str, shown: Shown) -> dict[int, int]:
    """Typed ranks by canonical position; unranked ones are left out."""
    ranks = {}
    for place, position in enumerate(shown.order):
        raw = data.get(f"rank-{key}-{place}", "")
        rank = _whole(raw)
        if raw and (rank is None or not 1 <= rank <= len(shown.order)):
            raise _unknown(raw)
        if rank is not None:
            ranks[position] = rank
    return ranks


def _ranked(data: QueryDict, key: str, shown: Shown, beside: Mapping[str, Any]) -> Answer | None:
    """Typed ranks as competition ranks: 1, 1, 2 and 1, 1, 3 are the same; the rest is last."""
    ranks = _ranks(data, key, shown)
    if not ranks:
        return None
    last = len(shown.order) + 1
    positions = range(len(shown.order))
    ranking = competition_ranks([ranks.get(position, last) for position in positions])
    unranked = [position for position in positions if position not in ranks]
    return Answer(key, ranking, unranked=unranked, **beside)


def _no_other_order(data: QueryDict, key: str, shown: Shown) -> None:
    if len(set(_ranks(data, key, shown).values())) > 1:
        raise InvalidInput(_("Either rank the completions or say that they are tied."))


def _grouped(data: QueryDict, key: str, shown: Shown, beside: Mapping[str, Any]) -> Answer | None:
    """Best and worst of every group; the ranking follows from them."""
    score = [0] * len(shown.order)
    choices = []
    for number, group in enumerate(shown.groups):
        best, worst = (_placed(data, f"{end}-{key}-{number}", shown) for end in ("best", "worst"))
        if best is None or worst is None:
            return None
        score[best] -= 1
        score[worst] += 1
        choices.append({"shown": list(group), "best": best, "worst": worst})
    ranking = competition_ranks(score)
    shared = [place for place, rank in enumerate(ranking) if ranking.count(rank) > 1]
    return Answer(key, ranking, unranked=shared, attributes={"best_worst": choices}, **beside)


def _placed(data: QueryDict, name: str, shown: Shown) -> int | None:
    """The canonical position of the place that a field names."""
    raw = data.get(name, "")
    place = _whole(raw)
    if raw and (place is None or place >= len(shown.order)):
        raise _unknown(raw)
    return None if place is None else shown.order[place]


def _scored(
    data: QueryDict, criterion: Criterion, shown: Shown, beside: Mapping[str, Any]
) -> Answer | None:
    scores: list[int | None] = [None] * len(shown.order)
    open_ones = 0
    for place, position in enumerate(shown.order):
        raw = data.get(f"score-{criterion.key}-{place}", "")
        if not raw:
            open_ones += 1
        elif raw != NONE:
            scores[position] = _signed(raw)
    if open_ones == len(shown.order):
        return None
    if open_ones:
        raise InvalidInput(_("Score every completion on “%(name)s”.") % {"name": criterion.name})
    return Answer(criterion.key, [], scores=scores, **beside)


def _steps(data: QueryDict, shown: Shown) -> dict[str, Any]:
    """The first wrong step of every completion."""
    steps: list[int | None] = [None] * len(shown.order)
    for place, position in enumerate(shown.order):
        raw = data.get(f"step-{place}", "")
        steps[position] = _whole(raw)
        if steps[position] is None and raw != NONE:
            message = _("Mark the first wrong step of every completion, or say that there is none.")
            raise InvalidInput(message)
    return {"first_error": steps}


def _edited(data: QueryDict, answers: list[Answer], shown: Shown) -> list[Answer]:
    """The improved text of the completion ranked first; an unchanged one is no edit."""
    chosen = next((answer for answer in answers if answer.ranking), None)
    if chosen is None:
        return answers
    for place, position in enumerate(shown.order):
        text = _lines(data.get(f"edit-{place}", ""))
        if text and chosen.ranking[position] == 1 and text != _lines(shown.texts[position]):
            return _with(answers, {"edit": {"position": position, "text": text}})
    return answers


def _with(answers: list[Answer], attributes: dict[str, Any]) -> list[Answer]:
    """The answers, with attributes at the first one that compares, else at the first."""
    keeper = next((answer for answer in answers if answer.ranking), next(iter(answers), None))
    return [
        replace(answer, attributes=answer.attributes | attributes) if answer is keeper else answer
        for answer in answers
    ]


def _lines(text: str) -> str:
    """Browsers send CR LF from a text box."""
    return text.replace("\r\n", "\n").strip()


def _whole(raw: str) -> int | None:
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else None


def _signed(raw: str) -> int:
    value = _whole(raw.removeprefix("-"))
    if value is None:
        raise _unknown(raw)
    return -value if raw.startswith("-") else value


def read_seconds(raw: str) -> float | None:
    """The active time on the instance; None where no script measured it.

    Raises:
        InvalidInput: it is no number.
    """
    try:
        return round(float(raw), 1) if raw else None
    except ValueError as error:
        raise InvalidInput(_("The time on the instance is no number.")) from error
