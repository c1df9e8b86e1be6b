"""Between the labelling form and the answers of `annotation.labels`: shown places and letters on
one side, canonical positions on the other. Pure but for the dataclasses it reads.

A value of the form's radio group is `a2` (A wins at level 2), `b1`, or the name of a tie kind.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.http import QueryDict

from annotation.labels.selectors import LabelView
from annotation.labels.services import Answer
from annotation.projects.models import Criterion, Protocol, RationalePolicy, TieKind
from core.exceptions import InvalidInput

LEVELS = {
    1: ("",),
    2: ("slightly", "clearly"),
    3: ("slightly", "clearly", "much"),
    4: ("barely", "slightly", "clearly", "much"),
}
KEYS = {TieKind.BOTH_BAD: "↑", TieKind.BOTH_GOOD: "g", TieKind.CANNOT_JUDGE: "x"}


@dataclass(frozen=True)
class Option:
    """One radio button. `lead` is left out where there is no room; `side` colours it."""

    value: str
    lead: str
    text: str
    side: str
    key: str
    checked: bool


@dataclass(frozen=True)
class CriterionForm:
    """The radio group of one criterion: the scale, and the answers beside it."""

    criterion: Criterion
    scale: list[Option]
    beside: list[Option]


@dataclass(frozen=True)
class SlotForm:
    """All that the form of one slot needs."""

    view: LabelView
    order: str
    client_id: uuid.UUID
    criteria: list[CriterionForm]
    reasons: list[tuple[str, bool]]
    rationale: str
    confidence: int | None
    ask_rationale: bool

    @property
    def gist(self) -> str:
        """The last turn of the prompt, for the closed prompt."""
        return str(self.view.messages[-1]["content"])[:160] if self.view.messages else ""


def slot_form(view: LabelView) -> SlotForm:
    """The form of a slot, filled with its draft."""
    order = [completion.position for completion in view.completions]
    drafted = {row.get("criterion_key"): row for row in view.draft.get("answers", [])}
    first: dict[str, Any] = next(iter(drafted.values()), {})
    chosen = set(view.draft.get("reasons", first.get("reasons", [])))
    return SlotForm(
        view=view,
        order=",".join(map(str, order)),
        client_id=uuid.uuid4(),
        criteria=[
            _criterion_form(criterion, view.protocol, _value_of(drafted.get(criterion.key), view))
            for criterion in view.criteria
        ],
        reasons=[(reason, reason in chosen) for reason in view.protocol.reasons],
        rationale=str(view.draft.get("rationale", first.get("rationale", ""))),
        confidence=view.draft.get("confidence", first.get("confidence")),
        ask_rationale=view.protocol.rationale != RationalePolicy.NEVER,
    )


def _criterion_form(criterion: Criterion, protocol: Protocol, value: str) -> CriterionForm:
    scale = _scale(protocol)
    numbered = [
        Option(name, lead, text, side, str(place), name == value)
        for place, (name, lead, text, side) in enumerate(scale, 1)
    ]
    beside = [
        Option(kind, "", kind, "", KEYS[TieKind(kind)], kind == value)
        for kind in protocol.ties
        if kind != TieKind.TIE
    ]
    return CriterionForm(criterion, numbered, beside)


def _scale(protocol: Protocol) -> list[tuple[str, str, str, str]]:
    """(value, lead, text, side) from `A is clearly better` to `B is clearly better`."""
    words = LEVELS[protocol.strength_levels]
    better = [f"{word} better".strip() for word in words]
    levels = range(len(words), 0, -1)
    first = [(f"a{level}", "A is", better[level - 1], "a") for level in levels]
    last = [(f"b{level}", "B is", better[level - 1], "b") for level in reversed(levels)]
    tie = [("tie", "", "tie", "")] if TieKind.TIE in protocol.ties else []
    return [*first, *tie, *last]


def _value_of(answer: Mapping[str, Any] | None, view: LabelView) -> str:
    """The radio value of a drafted answer, back in shown places; empty where there is none."""
    if not answer:
        return ""
    if answer.get("tie_kind"):
        return str(answer["tie_kind"])
    ranking = answer.get("ranking") or []
    if len(ranking) != 2 or len(view.completions) != 2:
        return ""
    side = "a" if ranking[view.completions[0].position] == 1 else "b"
    levels = view.protocol.strength_levels
    return f"{side}{round((answer.get('strength') or 1) * levels) or 1}"


@dataclass(frozen=True)
class Submitted:
    """What the form sent, in canonical positions."""

    slot_key: uuid.UUID
    client_id: uuid.UUID
    answers: list[Answer]
    seconds: float | None


def read_submit(data: QueryDict, criteria: Sequence[Criterion], protocol: Protocol) -> Submitted:
    """The form's fields as answers; a criterion without a choice is left out.

    Raises:
        InvalidInput: a field cannot be read.
    """
    order = _order(data.get("order", ""))
    shared = {
        "rationale": data.get("rationale", "").strip(),
        "reasons": tuple(data.getlist("reasons")),
        "confidence": _whole(data.get("confidence", "")),
    }
    chosen = {criterion.key: data.get(f"answer-{criterion.key}", "") for criterion in criteria}
    return Submitted(
        slot_key=read_key(data.get("slot", "")),
        client_id=read_key(data.get("client_id", "")),
        answers=[
            _answer(key, value, order, protocol.strength_levels, shared)
            for key, value in chosen.items()
            if value
        ],
        seconds=_seconds(data.get("seconds", "")),
    )


def read_draft(
    data: QueryDict, criteria: Sequence[Criterion], protocol: Protocol
) -> dict[str, Any]:
    """The payload of a draft: answers by the convention of `undo`, and what stands beside them."""
    submitted = read_submit(data, criteria, protocol)
    return {
        "answers": [asdict(answer) for answer in submitted.answers],
        "rationale": data.get("rationale", ""),
        "reasons": data.getlist("reasons"),
        "confidence": _whole(data.get("confidence", "")),
    }


def _answer(
    key: str, value: str, order: list[int], levels: int, shared: Mapping[str, Any]
) -> Answer:
    if value in TieKind.values:
        ranking = [] if value == TieKind.CANNOT_JUDGE else [1] * len(order)
        return Answer(key, ranking, tie_kind=value, **shared)
    if value[:1] not in {"a", "b"} or _whole(value[1:]) not in range(1, levels + 1):
        raise InvalidInput(f"{value[:20]!r} is no answer: choose one of those shown.")
    winner = order[0 if value[0] == "a" else 1]
    ranking = [1 if position == winner else 2 for position in range(len(order))]
    return Answer(key, ranking, strength=int(value[1:]) / levels, **shared)


def _order(raw: str) -> list[int]:
    """The canonical positions of A and B, as they were on the screen."""
    if raw not in {"0,1", "1,0"}:
        raise InvalidInput("The form does not say which completion was A: reload the page.")
    return [int(position) for position in raw.split(",")]


def read_key(raw: str) -> uuid.UUID:
    try:
        return uuid.UUID(raw)
    except ValueError as error:
        raise InvalidInput("An id of the form is no UUID: reload the page.") from error


def _whole(raw: str) -> int | None:
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else None


def _seconds(raw: str) -> float | None:
    try:
        return round(float(raw), 1) if raw else None
    except ValueError as error:
        raise InvalidInput("The time on the instance is no number.") from error
