"""What the form's fields hold: their names, and how a draft or an earlier answer fills them.

| field                 | value                                                                |
|-----------------------|----------------------------------------------------------------------|
| `answer-KEY`          | `a2` (A wins at level 2), `b1`, a kind of tie, or nothing: as ranked  |
| `rank-KEY-PLACE`      | a rank from 1, or nothing: unranked                                  |
| `best-KEY-GROUP`, `worst-KEY-GROUP` | a place                                                |
| `score-KEY-PLACE`     | a level, or `none`: cannot judge this one                            |
| `confidence-KEY`, `reasons-KEY`, `rationale-KEY` | beside the answer                         |
| `step-PLACE`          | the first wrong step from 0, or `none`                               |
| `edit-PLACE`          | the improved text of a completion                                    |

A place counts the completions as they are shown, from 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from annotation.labels.selectors import LabelView
from annotation.projects.models import Criterion, Kind, Protocol, TieKind

Values = Mapping[str, Sequence[str]]
PREFIXES = tuple(
    f"{name}-"
    for name in (
        *("answer", "rank", "best", "worst", "score"),
        *("confidence", "reasons", "rationale", "step", "edit"),
    )
)
NONE = "none"


def values_of(view: LabelView) -> Values:
    """The fields of a slot's draft: as the page kept them, or from the answers taken back."""
    order = [completion.position for completion in view.completions]
    fields = view.draft.get("fields")
    if isinstance(fields, Mapping) and view.draft.get("order") == order:
        return fields
    criteria = {criterion.key: criterion for criterion in view.criteria}
    values: dict[str, list[str]] = {}
    for answer in view.draft.get("answers", []):
        criterion = criteria.get(answer.get("criterion_key"))
        if criterion is not None:
            found = _fields_of(answer, criterion, view, order)
            values.update({name: list(value) for name, value in found})
    return values


def first(values: Values, name: str) -> str:
    return next(iter(values.get(name, ())), "")


Fields = Iterator[tuple[str, Sequence[str]]]


def _fields_of(
    answer: Mapping[str, Any], criterion: Criterion, view: LabelView, order: list[int]
) -> Fields:
    """The fields of one answer by the convention of `annotation.labels.services.undo`."""
    key, attributes = criterion.key, answer.get("attributes") or {}
    confidence = answer.get("confidence")
    yield f"confidence-{key}", [str(confidence)] if confidence else []
    yield f"reasons-{key}", list(answer.get("reasons") or ())
    yield f"rationale-{key}", [str(answer.get("rationale") or "")]
    yield f"answer-{key}", [str(answer.get("tie_kind") or "")]
    if not answer.get("tie_kind"):
        yield from _choice(answer, criterion, view.protocol, order)
        yield from _best_worst(key, attributes.get("best_worst") or (), order)
    elif answer["tie_kind"] != TieKind.CANNOT_JUDGE:
        yield from ((f"rank-{key}-{place}", ["1"]) for place in range(len(order)))
    yield from _beside(attributes, order)


def _choice(
    answer: Mapping[str, Any], criterion: Criterion, protocol: Protocol, order: list[int]
) -> Fields:
    key, kind = criterion.key, criterion.asks(protocol)
    ranking, scores = answer.get("ranking") or [], answer.get("scores") or []
    if kind == Kind.PAIRWISE and len(ranking) == len(order) == 2:
        side = "a" if ranking[order[0]] == 1 else "b"
        level = round((answer.get("strength") or 1) * protocol.strength_levels) or 1
        yield f"answer-{key}", [f"{side}{level}"]
    elif len(ranking) == len(order):
        unranked = set(answer.get("unranked") or ())
        for place, position in enumerate(order):
            rank = "" if position in unranked else str(ranking[position])
            yield f"rank-{key}-{place}", [rank]
    elif len(scores) == len(order):
        for place, position in enumerate(order):
            score = scores[position]
            yield f"score-{key}-{place}", [NONE if score is None else str(score)]


def _best_worst(key: str, choices: Sequence[Mapping[str, Any]], order: list[int]) -> Fields:
    for group, choice in enumerate(choices):
        for name in ("best", "worst"):
            yield f"{name}-{key}-{group}", [str(order.index(choice[name]))]


def _beside(attributes: Mapping[str, Any], order: list[int]) -> Fields:
    """Marked steps and the improved text: asked once per instance, kept with one answer."""
    steps = attributes.get("first_error")
    if steps is not None and len(steps) == len(order):
        for place, position in enumerate(order):
            step = steps[position]
            yield f"step-{place}", [NONE if step is None else str(step)]
    if edit := attributes.get("edit"):
        yield f"edit-{order.index(edit['position'])}", [str(edit["text"])]
