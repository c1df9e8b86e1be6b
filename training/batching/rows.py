"""Preference rows of a parquet file: one prompt with its completions and label per row."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow.parquet as pq

from training.errors import RefusalError
from training.objectives.preference import Preference

MOST_COMPLETIONS = 9
COLUMNS = {need: ["prompt", "completions"] for need in ("labels", "unpaired", "completions")}
FEWEST = {"labels": 2, "unpaired": 1, "completions": 1, "prompts": 0}

Message = dict[str, str]
Need = Literal["labels", "unpaired", "completions", "prompts"]


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt, its completions and what is known about them."""

    prompt: tuple[Message, ...]
    completions: tuple[str, ...]
    preference: Preference
    prompt_hash: str
    instance_id: str
    # Prompts that the completions answer instead of `prompt`, one each; empty where none does.
    own_prompts: tuple[tuple[Message, ...], ...] = ()


def read_rows(path: Path, need: Need = "labels") -> list[Row]:
    """Rows of a parquet file in file order.

    Args:
        need: what the rows are for: labels need two completions, labels of single completions and
            scoring one, generating none.

    Raises:
        RefusalError: missing file, missing column, no rows, or a row that breaks the schema.
    """
    if not path.is_file():
        raise RefusalError(f"There is no data file {path.name}.", "Check the paths under `data`.")
    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:
        raise RefusalError(
            f"{path.name} cannot be read as parquet: {error}", "Write the file again."
        ) from error
    missing = [n for n in COLUMNS.get(need, ["prompt"]) if n not in table.column_names]
    if missing:
        raise RefusalError(
            f"{path.name} lacks the column {missing[0]}.",
            "Each row needs a prompt and its completions.",
        )
    if table.num_rows == 0:
        raise RefusalError(f"{path.name} has no rows.", "Choose a snapshot that has labels.")
    return list(_rows(table.to_pylist(), path.name, FEWEST[need]))


def _rows(values: list[dict[str, Any]], name: str, fewest: int) -> Iterator[Row]:
    for number, value in enumerate(values):
        try:
            yield _row(value, fewest)
        except (ValueError, TypeError, KeyError) as error:
            raise RefusalError(
                f"{name}, row {number}: {error}", "Mend or leave out this row."
            ) from error


def _row(value: dict[str, Any], fewest: int) -> Row:
    completions = tuple(str(text) for text in value.get("completions") or ())
    if not fewest <= len(completions) <= MOST_COMPLETIONS:
        message = f"{len(completions)} completions; {fewest} to {MOST_COMPLETIONS} are possible"
        raise ValueError(message)
    prompt = _messages(value["prompt"])
    return Row(
        prompt=prompt,
        completions=completions,
        preference=_preference(value, len(completions)),
        prompt_hash=str(value.get("prompt_hash") or value["prompt"]),
        instance_id=str(value.get("instance_id") or ""),
        own_prompts=_own_prompts(value.get("own_prompts"), prompt, len(completions)),
    )


def _own_prompts(
    texts: list[str | None] | None, prompt: tuple[Message, ...], count: int
) -> tuple[tuple[Message, ...], ...]:
    if not any(texts or ()):
        return ()
    assert texts is not None
    if len(texts) != count:
        message = f"{len(texts)} own prompts for {count} completions"
        raise ValueError(message)
    return tuple(_messages(text) if text else prompt for text in texts)


def _messages(text: str) -> tuple[Message, ...]:
    messages = json.loads(text)
    if not isinstance(messages, list):
        message = "prompt is not a JSON list of messages"
        raise TypeError(message)
    found = tuple({"role": str(m["role"]), "content": str(m["content"])} for m in messages)
    # Chat templates refuse an empty conversation; an empty question is one they take.
    return found or ({"role": "user", "content": ""},)


def _preference(value: dict[str, Any], count: int) -> Preference:
    pair_p = value.get("pair_p")
    scores = value.get("score")
    relevance = (
        tuple(math.nan if s is None else float(s) for s in scores)
        if scores is not None
        else (math.nan,) * count
    )
    # Completions that no label told apart share a rank, which is no tie.
    unranked = set(value.get("unranked") or ())
    relevance = tuple(math.nan if k in unranked else r for k, r in enumerate(relevance))
    if len(relevance) != count:
        message = f"{len(relevance)} scores for {count} completions"
        raise ValueError(message)
    if pair_p is not None and not 0.0 <= pair_p <= 1.0:
        message = f"pair_p is {pair_p}; it must be from 0 to 1"
        raise ValueError(message)
    return Preference(
        relevance=relevance,
        pair_p=None if pair_p is None else float(pair_p),
        weight=_non_negative(value, "weight", 1.0),
        margin=_non_negative(value, "margin", 0.0),
        source=str(value.get("source") or ""),
        annotator=str(value.get("annotator") or ""),
        attributes=_attributes(value.get("attributes"), count),
        tags=tuple(value.get("tags") or ()),
    )


def _attributes(text: str | None, count: int) -> dict[str, tuple[float, ...]]:
    """Ratings by attribute from `{"name": [number or null per completion]}` as JSON."""
    found: dict[str, tuple[float, ...]] = {}
    for name, ratings in json.loads(text or "{}").items():
        if len(ratings) != count:
            message = f"{len(ratings)} ratings of {name!r} for {count} completions"
            raise ValueError(message)
        found[str(name)] = tuple(math.nan if r is None else float(r) for r in ratings)
    return found


def _non_negative(value: dict[str, Any], name: str, default: float) -> float:
    number = value.get(name)
    if number is None:
        return default
    if not math.isfinite(number) or number < 0:
        message = f"{name} is {number}; it must be 0 or more"
        raise ValueError(message)
    return float(number)
