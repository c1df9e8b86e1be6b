"""Putting an instance together from what a row told."""

from collections.abc import Sequence
from typing import Any

from core.hashing import content_hash

from .base import Instance, Options, Row, Unfit
from .values import Turn, name, shared_turns

FIRST, SECOND, TIED = [1, 2], [2, 1], [1, 1]
# The name of those who labelled a file that does not say who did.
UNNAMED = "unnamed"


def said(**fields: Any) -> dict[str, Any]:
    """The fields that hold something; 0 and false do."""
    return {key: value for key, value in fields.items() if value not in (None, "", [], {})}


def completion(text: str, model: str = "", licence: str = "") -> dict[str, Any]:
    """A completion; its text may be empty: models do fail that way."""
    return {"text": text} | said(model=model, licence=licence)


def instance(
    *,
    prompt: str | list[Turn] | None,
    completions: Sequence[dict[str, Any]],
    id: str = "",  # noqa: A002 - the interchange format's own word
    human: Sequence[dict[str, Any]] = (),
    ai: Sequence[dict[str, Any]] = (),
    meta: Row | None = None,
    tags: Sequence[str] = (),
) -> Instance:
    """An instance in interchange form. Without an id it gets one made of its content."""
    beside = said(id=id, human=list(human), ai=list(ai), meta=dict(meta or {}), tags=list(tags))
    return {"prompt": prompt, "responses": list(completions)} | beside


def own_id(adapter: str, row: Row, *keys: str) -> str:
    """The file's own id; a bare number is told apart from those of other files. May be empty."""
    found = name(row, *keys)
    return f"{adapter}-{found}" if found.isdecimal() else found


def id_of_content(adapter: str, value: Instance) -> str:
    """An id that is the same whenever the same content comes in, whatever its labels."""
    content = [value["prompt"], value["responses"]]
    return f"{adapter}-{content_hash(content)[:20]}"


def labels(options: Options, label: dict[str, Any], unnamed: str = UNNAMED) -> dict[str, Any]:
    """A label whose maker the file does not name, by the options: `judge`, `annotator` or none."""
    if judge := name(options, "judge"):
        return {"ai": [{"judge": judge} | label]}
    return {"human": [{"annotator": name(options, "annotator") or unnamed} | label]}


def without_order(
    best: dict[str, Any], other: dict[str, Any]
) -> tuple[list[dict[str, Any]], list[int]]:
    """Two completions in an order that their content alone gives, and their ranking.

    "chosen" always comes before "rejected"; the place of a completion must not tell its label. The
    same two completions are the same instance, whoever preferred which.
    """
    if content_hash(best) <= content_hash(other):
        return [best, other], FIRST
    return [other, best], SECOND


def sides(
    prompt: list[Turn], *conversations: list[Turn]
) -> tuple[list[Turn] | None, list[dict[str, Any]]]:
    """What conversations begin with alike, if anything, and each one's last turn as a completion.

    A conversation that goes on before its last turn brings a prompt of its own.

    Raises:
        Unfit: one does not end with the assistant, or there is nothing before it.
    """
    whole = [prompt + each for each in conversations]
    if any(not each or each[-1]["role"] != "assistant" for each in conversations):
        raise Unfit("every side must end with a turn of the assistant")
    shared = len(whole[0]) - 1
    for each in whole[1:]:
        shared = min(shared, len(each) - 1, shared_turns(whole[0], each))
    if not any(each[:-1] for each in whole) or any(len(each) < 2 for each in whole):
        raise Unfit("there is no prompt before the completions")
    completions = [
        {"text": each[-1]["content"]} | ({} if len(each) - 1 == shared else {"prompt": each[:-1]})
        for each in whole
    ]
    return whole[0][:shared] or None, completions


def ranks(scores: Sequence[float | None]) -> list[int] | None:
    """Competition ranks, 1 for the highest score; None where one is missing."""
    known = [each for each in scores if each is not None]
    if len(known) != len(scores):
        return None
    return [1 + sum(other > each for other in known) for each in known]


def leaning(strength: float, most: float) -> dict[str, Any]:
    """A signed preference, negative for the first of two: its ranking and how strong it is."""
    if strength == 0:
        return {"ranking": TIED}
    ranking = FIRST if strength < 0 else SECOND
    return {"ranking": ranking, "strength": min(1.0, abs(strength) / most)}
