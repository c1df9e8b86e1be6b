"""The shapes of the labels themselves, by annotator: labels, edits and reasons."""

from typing import Any

from ..base import Instance, Options, Row, Unfit
from ..building import completion, instance, said
from ..values import name, text
from .reading import Rows, id_of, meta_of, opened, prompt_of

MACHINES = {"judge", "verifier"}
# Field of a label of the interchange format: column of the export.
LABEL = {
    **{key: key for key in ("criterion", "ranking", "scores", "tie_kind", "strength")},
    **{key: key for key in ("confidence", "rationale", "reasons", "seconds", "unranked")},
    "created_at": "created_at",
    "order": "shown_order",
}


def edits(rows: Rows, options: Options) -> Instance:
    """The completion that was edited, the worst one where there is one, and every edit."""
    row = rows[0]
    completions = [completion(text(row, "chosen"), name(row, "generator"), name(row, "licence"))]
    ranking = [1]
    if row.get("rejected") is not None:
        completions.append(completion(text(row, "rejected")))
        ranking.append(2)
    human = [
        {"annotator": name(each, "annotator") or "unnamed", "ranking": ranking}
        | said(criterion=name(each, "criterion"), created_at=name(each, "created_at"))
        | {"edit": {"position": 0, "text": text(each, "gold")}}
        | said(simulated=_simulated(each))
        for each in rows
        if each.get("chosen") == row["chosen"] and each.get("rejected") == row.get("rejected")
    ]
    return instance(
        id=id_of(row),
        prompt=prompt_of(row.get("prompt")),
        completions=completions,
        human=human,
        meta=meta_of(row),
    )


def rationales(rows: Rows, options: Options) -> Instance:
    row = rows[0]
    if any(_both(each) != _both(row) for each in rows):
        raise Unfit("reasons on more than two completions cannot be put together again")
    places = {text(row, "chosen"): 0, text(row, "rejected"): 1}
    if name(row, "chosen_position") == "1":
        places = {key: 1 - place for key, place in places.items()}
    models = {text(row, side): name(row, f"generator_{side}") for side in ("chosen", "rejected")}
    found: dict[str, list[dict[str, Any]]] = {"human": [], "ai": []}
    for each in rows:
        side, who = maker(each)
        ranking = [1, 2] if places[text(each, "chosen")] == 0 else [2, 1]
        told = {key: each.get(key) for key in ("criterion", "strength", "confidence", "reasons")}
        told |= {key: each.get(key) for key in ("rationale", "created_at")}
        told["simulated"] = _simulated(each)
        found[side].append(who | {"ranking": ranking} | said(**told))
    ordered = sorted(models, key=lambda key: places[key])
    return instance(
        id=id_of(row),
        prompt=prompt_of(row.get("prompt")),
        completions=[completion(key, models[key]) for key in ordered],
        human=found["human"],
        ai=found["ai"],
        meta=meta_of(row),
    )


def _simulated(row: Row) -> bool | None:
    """True where nobody gave the label; else nothing is said."""
    return row.get("simulated") is True or None


def _both(row: Row) -> set[Any]:
    return {text(row, "chosen"), text(row, "rejected")}


def maker(row: Row) -> tuple[str, dict[str, str]]:
    who = name(row, "annotator") or "unnamed"
    return (
        ("ai", {"judge": who}) if name(row, "kind") in MACHINES else ("human", {"annotator": who})
    )


def all_labels(rows: Rows, options: Options) -> Instance:
    """Every label with the texts it is about."""
    row = rows[0]
    found: dict[str, list[dict[str, Any]]] = {"human": [], "ai": []}
    for each in rows:
        side, who = maker(each)
        attributes = opened(each.get("attributes"), "attributes")
        attributes = dict(attributes) if isinstance(attributes, dict) else {}
        told = {key: each.get(column) for key, column in LABEL.items()}
        told |= {"edit": attributes.pop("edit", None), "attributes": attributes}
        told["purpose"] = None if each.get("purpose") == "label" else each.get("purpose")
        told["simulated"] = _simulated(each)
        found[side].append(who | said(**told))
    beside = {key: opened(row.get(key), key) for key in ("responses", "meta", "tags", "context")}
    prompt = opened(row.get("prompt"), "prompt") or None
    return {"id": id_of(row), "prompt": prompt} | said(**beside, **found)


def no_texts(rows: Rows, options: Options) -> Instance:
    raise Unfit("there are labels without their texts: export the shape labels or interchange")
