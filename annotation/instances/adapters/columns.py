"""The mapper: columns of any table, told by hand what they mean.

Options: `prompt`, `system`, `id`, `annotator`, `judge`, `rationale`: a column each (`annotator` and
`judge` may be the name itself); `completions`: columns with a completion each, or one with a list;
or `chosen` and `rejected`; `models`: their columns, likewise; `metadata`, `tags`: columns to keep.
The label is one of `ranking` (ranks, 1 is best), `winner` (a column of the completions or its
letter, number or model, or a word for a tie), `label` (thumbs up or down) and `rating` (a number;
a column per completion or one with a list). `counted_from` is 1 or 0, for winners by number;
`criterion` is a key. With an `id`, consecutive rows of one id are labels on one instance.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from .base import Adapter, Instance, Options, Row, Unfit
from .building import TIED, UNNAMED, completion, instance, said, without_order
from .values import is_conversation, name, number, text, turns
from .words import BAD, TIES, thumb, winner


def instances(row: Row, options: Options) -> Iterator[Instance]:
    completions, ranking = _completions(row, options)
    label = _label(row, options, completions, ranking)
    yield instance(
        id=name(row, str(options.get("id", ""))),
        prompt=_prompt(row, options),
        completions=completions,
        **(_signed(row, options, label) if label else {}),
        meta={key: row[key] for key in _names(options, "metadata") if row.get(key) is not None},
        tags=[tag for key in _names(options, "tags") for tag in _tags(row.get(key))],
    )


def _names(options: Options, key: str) -> list[str]:
    """The columns that an option names: a list of them, or one."""
    given = options.get(key)
    names = [given] if isinstance(given, str) else given
    if given is None or given == "":
        return []
    if not isinstance(names, list) or not all(isinstance(each, str) for each in names):
        raise Unfit(f"the option {key} must name columns")
    return names


def _prompt(row: Row, options: Options) -> str | list[dict[str, str]]:
    columns = _names(options, "prompt")
    if not columns:
        raise Unfit("the options name no column with the prompt")
    said_before = row.get(columns[0])
    conversation = _parsed(said_before)
    prompt = turns(conversation, columns[0]) if is_conversation(conversation) else None
    system = name(row, *_names(options, "system"))
    if prompt is None and not system:
        return text(row, columns[0])
    before = [{"role": "system", "content": system}] if system else []
    return before + (prompt or [{"role": "user", "content": text(row, columns[0])}])


def _parsed(value: Any) -> Any:
    """A list, also one that stands as JSON in a cell."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _completions(row: Row, options: Options) -> tuple[list[dict[str, Any]], list[int] | None]:
    """The completions, and their ranking where their columns tell it."""
    if options.get("chosen") and options.get("rejected"):
        best, other = (_text(row.get(str(options[key])), key) for key in ("chosen", "rejected"))
        return without_order(completion(best), completion(other))
    columns = _names(options, "completions")
    if not columns:
        raise Unfit("the options name no columns with completions")
    values = _cells(row, columns)
    models = [name({"model": each}, "model") for each in _cells(row, _names(options, "models"))]
    models += [""] * len(values)
    return [
        completion(_text(value, "a completion"), models[place])
        for place, value in enumerate(values)
    ], None


def _cells(row: Row, columns: Sequence[str]) -> list[Any]:
    """A value per column, or the list that the only column holds."""
    if len(columns) == 1:
        only = _parsed(row.get(columns[0]))
        if isinstance(only, list) and not is_conversation(only):
            return only
    return [row.get(column) for column in columns]


def _text(value: Any, what: str) -> str:
    conversation = _parsed(value)
    if is_conversation(conversation):
        return turns(conversation, what)[-1]["content"]
    return text({what: value}, what)


def _label(
    row: Row, options: Options, completions: Sequence[Row], ranking: list[int] | None
) -> dict[str, Any]:
    count = len(completions)
    if ranking is None and options.get("ranking"):
        ranking = _ranking(row.get(str(options["ranking"])), str(options["ranking"]), count)
    if ranking is not None:
        return {"ranking": ranking}
    if options.get("winner"):
        return _won(row, options, completions)
    if options.get("label"):
        return {"scores": [_thumb(each) for each in _cells(row, _names(options, "label"))]}
    if options.get("rating"):
        scores = [number(each) for each in _cells(row, _names(options, "rating"))]
        return {"scores": scores} if any(each is not None for each in scores) else {}
    return {}


def _ranking(value: Any, column: str, count: int) -> list[int] | None:
    if value in (None, ""):
        return None
    ranks = _parsed(value)
    if isinstance(ranks, str):
        ranks = ranks.replace(";", ",").split(",")
    numbers = [number(each) for each in ranks] if isinstance(ranks, list) else []
    if len(numbers) != count or any(each is None or each % 1 for each in numbers):
        raise Unfit(f"{column} must have a whole rank for each of the {count} completions")
    return [int(each) for each in numbers if each is not None]


def _won(row: Row, options: Options, completions: Sequence[Row]) -> dict[str, Any]:
    column = str(options["winner"])
    given = name(row, column)
    if not given:
        return {}
    word = given.lower()
    counted_from = options.get("counted_from", 1)
    if word in BAD | TIES or (counted_from == 1 and word == "0"):
        tied = {"ranking": TIED if len(completions) == 2 else [1] * len(completions)}
        return tied | ({"tie_kind": "both bad"} if word in BAD else {})
    place = _place(given, options, completions)
    if place is None:
        raise Unfit(f"{column} says {given[:40]!r}, which names none of the completions")
    return {"ranking": [1 if each == place else 2 for each in range(len(completions))]}


def _place(given: str, options: Options, completions: Sequence[Row]) -> int | None:
    """Which completion a word means: by its column, its model, its letter or its number."""
    columns, count = _names(options, "completions"), len(completions)
    by_model = [place for place, each in enumerate(completions) if each.get("model") == given]
    if given in columns and len(columns) == count:
        return columns.index(given)
    if len(by_model) == 1:
        return by_model[0]
    return winner(given, count, int(options.get("counted_from") != 0))


def _thumb(value: Any) -> int | None:
    if value in (None, ""):
        return None
    found = thumb(str(value))
    if found is None:
        raise Unfit(f"{str(value)[:40]!r} is neither thumbs up nor down")
    return found


def _signed(row: Row, options: Options, label: dict[str, Any]) -> dict[str, Any]:
    """The label with its maker, criterion and rationale."""
    rationale = name(row, *_names(options, "rationale"))
    label = label | said(criterion=options.get("criterion"), rationale=rationale)
    judge, annotator = str(options.get("judge") or ""), str(options.get("annotator") or "")
    if judge:
        return {"ai": [{"judge": name(row, judge) or judge} | label]}
    return {"human": [{"annotator": name(row, annotator) or annotator or UNNAMED} | label]}


def _tags(value: Any) -> list[str]:
    """The tags of a cell: a list, or a text with commas."""
    given = _parsed(value)
    tags = given.split(",") if isinstance(given, str) else given if isinstance(given, list) else []
    return [tag.strip() for tag in tags if isinstance(tag, str) and tag.strip()]


ADAPTER = Adapter(
    name="columns",
    title="Columns",
    reads="any table: you say what its columns mean",
    recognised_by="it is a table",
    fits=bool,
    confidence=0.05,
    instances=instances,
    joins=lambda each: each.get("id"),
)
