"""The shapes of a consensus on pairs and lists."""

from typing import Any

from core.hashing import content_hash

from ..base import Instance, Options, Row, Unfit
from ..building import completion, instance, labels, ranks, said, sides
from ..values import asked, is_conversation, name, number, shared_turns, text, texts, turns
from .reading import CONSENSUS, Rows, id_of, meta_of, opened, prompt_of, said_of


def pairs(rows: Rows, options: Options) -> Instance:
    """All pairs of an instance; of three or more completions, in the order of their first row."""
    completions: list[dict[str, Any]] = []
    wins: list[float] = []
    for row in rows:
        p = number(row.get("p"))
        if p is None or not 0 <= p <= 1:
            raise Unfit("p must be a number from 0 to 1")
        for side, worth in (("a", p), ("b", 1 - p)):
            place = _place(completions, _side(row, side), wins)
            # A pair in a list is won, lost or tied.
            wins[place] += worth if len(rows) == 1 else (worth > 0.5) + (worth == 0.5) / 2
    label = {"ranking": ranks(wins)} | said_of(rows[0], "p", "weight", "margin")
    return instance(
        id=id_of(rows[0]),
        prompt=prompt_of(rows[0].get("prompt")),
        completions=completions,
        **labels(options, label, CONSENSUS),
        meta=meta_of(rows[0]),
    )


def _place(completions: list[dict[str, Any]], each: dict[str, Any], wins: list[float]) -> int:
    if each not in completions:
        completions.append(each)
        wins.append(0)
    return completions.index(each)


def _side(row: Row, side: str) -> dict[str, Any]:
    found = completion(
        text(row, f"completion_{side}"),
        name(row, f"generator_{side}"),
        name(row, f"licence_{side}"),
    )
    own = row.get(f"prompt_{side}")
    parts = opened(row.get(f"parts_{side}"), "parts") or None
    return found | said(parts=parts, prompt=prompt_of(own) if own else None)


def listwise(rows: Rows, options: Options) -> Instance:
    row = rows[0]
    given = texts(row.get("completions"), "completions")
    generators, licences, own = (
        _column(row, key, len(given)) for key in ("generators", "licences", "own_prompts")
    )
    completions = [
        completion(each, name({"it": generator}, "it"), name({"it": licence}, "it"))
        | said(prompt=prompt_of(prompt) if prompt else None)
        for each, generator, licence, prompt in zip(given, generators, licences, own, strict=True)
    ]
    label = {"ranking": row.get("ranking")} | said(unranked=row.get("unranked"))
    scores = said(score=_column(row, "score", len(given)))
    return instance(
        id=id_of(row),
        prompt=prompt_of(row["prompt"]) if row.get("prompt") not in (None, "[]") else None,
        completions=completions,
        **labels(options, label | said(attributes=scores) | said_of(row), CONSENSUS),
        meta=meta_of(row),
    )


def _column(row: Row, key: str, count: int) -> list[Any]:
    given = row.get(key)
    return given if isinstance(given, list) and len(given) == count else [None] * count


def trl(rows: Rows, options: Options) -> Instance:
    """All pairs of an instance that are no tie; each side's score tells its place."""
    if "goal" in rows[0]:
        raise Unfit("rows that ask for a score are no labels: export another shape")
    scores: dict[str, float] = {}
    found: dict[str, dict[str, Any]] = {}
    prompt: Any = None
    for row in rows:
        prompt, both = _trl_sides(row)
        for side, each in zip(("chosen", "rejected"), both, strict=True):
            key = content_hash(each)
            found[key] = each
            scores[key] = _score(row, side)
    keys = sorted(found)
    label = {"ranking": ranks([scores[key] for key in keys])}
    return instance(
        id=id_of(rows[0]),
        prompt=prompt,
        completions=[found[key] for key in keys],
        **labels(options, label | said_of(rows[0], "p", "margin"), CONSENSUS),
        meta=meta_of(rows[0]),
    )


def _score(row: Row, side: str) -> float:
    score = number(row.get(f"score_{side}"))
    return score if score is not None else float(side == "chosen")


def _trl_sides(row: Row) -> tuple[Any, list[dict[str, Any]]]:
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if is_conversation(chosen) and is_conversation(rejected):
        before = turns(row["prompt"], "the prompt") if row.get("prompt") is not None else []
        return sides(before, turns(chosen, "chosen"), turns(rejected, "rejected"))
    return asked(row.get("prompt"), "the prompt"), [
        completion(text(row, side)) for side in ("chosen", "rejected")
    ]


def joint(rows: Rows, options: Options) -> Instance:
    """Each side with the prompt that it answers."""
    row = rows[0]
    prompts = [turns(row.get(f"prompt_{side}"), "a prompt") for side in ("chosen", "rejected")]
    shared = shared_turns(*prompts)
    alike = prompts[0] == prompts[1]
    completions = [
        completion(text(row, side), name(row, f"generator_{side}"), name(row, f"licence_{side}"))
        | ({} if alike else {"prompt": prompt})
        for side, prompt in zip(("chosen", "rejected"), prompts, strict=True)
    ]
    label = {"ranking": [1, 2]} | said_of(row, "p", "weight", "margin")
    return instance(
        id=id_of(row),
        prompt=prompts[0][:shared] or None,
        completions=completions,
        **labels(options, label, CONSENSUS),
        meta=meta_of(row),
    )


def triples(rows: Rows, options: Options) -> Instance:
    row, names = rows[0], ("gold", "chosen", "rejected")
    label = {"ranking": [1, 2, 3]} | said_of(row, *(f"score_{each}" for each in names))
    return instance(
        id=id_of(row),
        prompt=prompt_of(row.get("prompt")),
        completions=[completion(text(row, each), name(row, f"generator_{each}")) for each in names],
        **labels(options, label, CONSENSUS),
        meta=meta_of(row),
    )
