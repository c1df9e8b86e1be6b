"""The shapes with a row per completion: thumbs, ratings and scores."""

from typing import Any

from ..base import Instance, Options, Row, Unfit
from ..building import completion, instance, labels, ranks, said
from ..values import is_conversation, name, number, text, turns
from .reading import CONSENSUS, Rows, id_of, meta_of, prompt_of, said_of


def unpaired(rows: Rows, options: Options) -> Instance:
    """Completions by their position, and the thumbs on each criterion."""
    places = _places(rows)
    given: dict[str, list[float | None]] = {}
    for row in rows:
        if not isinstance(row.get("label"), bool):
            raise Unfit("label must be true or false")
        scores = given.setdefault(name(row, "criterion"), [None] * len(places))
        scores[places[_position(row)]] = int(row["label"])
    return _rated(rows, places, given, options, "completion")


def ratings(rows: Rows, options: Options) -> Instance:
    places = _places(rows)
    keys = [key for key in rows[0] if key not in BESIDE_RATINGS]
    given = {
        key: [number(row.get(key)) for row in sorted(rows, key=_position)]
        for key in keys
        if any(number(row.get(key)) is not None for row in rows)
    }
    return _rated(rows, places, given, options, "response")


def scored(rows: Rows, options: Options) -> Instance:
    ordered = sorted(rows, key=_position)
    found = [number(row.get("rank")) for row in ordered]
    ranking = ranks([None if rank is None else -rank for rank in found])
    scores = [number(row.get("score")) for row in ordered]
    label: dict[str, Any] = (
        {"ranking": ranking} if ranking and len(rows) > 1 else {"scores": scores}
    )
    score = {"attributes": {"score": scores}}
    return instance(
        id=id_of(rows[0]),
        prompt=prompt_of(rows[0].get("prompt")),
        completions=_completions(ordered, "completion"),
        **labels(options, label | score | said_of(rows[0]), CONSENSUS),
        meta=meta_of(rows[0]),
    )


def _position(row: Row) -> float:
    return number(row.get("position")) or 0


def _places(rows: Rows) -> dict[float, int]:
    return {each: place for place, each in enumerate(sorted({_position(row) for row in rows}))}


def _completions(ordered: Rows, column: str) -> list[dict[str, Any]]:
    return [
        completion(_words(row.get(column), column), name(row, "generator"), name(row, "licence"))
        for row in ordered
    ]


def _words(value: Any, what: str) -> str:
    return (
        turns(value, what)[-1]["content"] if is_conversation(value) else text({what: value}, what)
    )


def _rated(
    rows: Rows,
    places: dict[float, int],
    given: dict[str, list[float | None]],
    options: Options,
    column: str,
) -> Instance:
    """An instance with scores by criterion."""
    by_place = {places[_position(row)]: row for row in rows}
    ordered = [by_place[place] for place in sorted(by_place)]
    found: dict[str, list[dict[str, Any]]] = {}
    for key, scores in given.items():
        label = {"scores": scores} | said(criterion=key) | said_of(rows[0])
        for side, signed in labels(options, label, CONSENSUS).items():
            found.setdefault(side, []).extend(signed)
    return instance(
        id=id_of(rows[0]),
        prompt=prompt_of(rows[0].get("prompt")),
        completions=_completions(ordered, column),
        human=found.get("human", []),
        ai=found.get("ai", []),
        meta=meta_of(rows[0]),
    )


BESIDE_RATINGS = {
    *("prompt", "response", "annotators", "position", "generator", "licence", "instance_id"),
    *("prompt_hash", "split", "simulated", "snapshot"),
}
