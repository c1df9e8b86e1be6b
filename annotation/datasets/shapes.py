"""The shapes a snapshot is exported in: one function from a stored row to its rows. Pure.

Every row says where it comes from: snapshot, split, instance, source and whether it is simulated.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, takewhile
from typing import Any

import pyarrow as pa

from annotation.instances.content import EVEN, competition_ranks, text_of

from .files import LABELS

Row = Mapping[str, Any]

# Columns of a side beside its text, by the stored column.
BESIDE = {"parts": "parts", "prompt": "own_prompts"}
MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
PROVENANCE = [
    ("instance_id", pa.string()),
    ("prompt_hash", pa.string()),
    ("split", pa.string()),
    ("source", pa.string()),
    ("simulated", pa.bool_()),
    ("annotators", pa.int64()),
    ("snapshot", pa.string()),
]


def _provenance(row: Row) -> dict[str, Any]:
    return {name: row[name] for name, _ in PROVENANCE}


def preference(row: Row, first: int, second: int) -> float:
    """P(first is preferred to second): a pair's own p; in a longer ranking 1, 0 or ½ by worth."""
    if row["pair_p"] is not None:
        return float(row["pair_p"]) if first == 0 else 1 - float(row["pair_p"])
    difference = row["score"][first] - row["score"][second]
    return 0.5 if abs(difference) < EVEN else float(difference > 0)


def pairs(row: Row) -> Iterator[dict[str, Any]]:
    """One row per pair of completions in canonical order, ties included."""
    for i, j in combinations(range(len(row["completions"])), 2):
        yield {
            "prompt": whole_prompt(row),
            "completion_a": row["completions"][i],
            "completion_b": row["completions"][j],
            "p": preference(row, i, j),
            "weight": row["weight"],
            "margin": row["margin"],
            "generator_a": row["generators"][i],
            "generator_b": row["generators"][j],
            "licence_a": row["licences"][i],
            "licence_b": row["licences"][j],
            "context": row.get("context"),
            **{f"{name}_a": _of(row, field, i) for name, field in BESIDE.items()},
            **{f"{name}_b": _of(row, field, j) for name, field in BESIDE.items()},
            **_provenance(row),
        }


def listwise(row: Row) -> Iterator[dict[str, Any]]:
    """One row per instance; `ranking` has competition ranks, 1 is best, ties share a rank."""
    score = row["score"]
    yield {
        "prompt": whole_prompt(row),
        "completions": row["completions"],
        "ranking": competition_ranks([-worth for worth in score]),
        "score": score,
        "unranked": row.get("unranked") or [],
        "parts": row.get("parts"),
        "own_prompts": row.get("own_prompts"),
        "context": row.get("context"),
        "generators": row["generators"],
        "licences": row["licences"],
        **_provenance(row),
    }


def trl(row: Row) -> Iterator[dict[str, Any]]:
    """TRL's conversational preference format with an explicit prompt; ties have no row.

    Where the sides have prompts of their own, `prompt` is the turns that both begin with, and the
    rest of each stands before its answer. Sides that share no turn have no row: TRL refuses an
    empty prompt.
    """
    for i, j in combinations(range(len(row["completions"])), 2):
        p = preference(row, i, j)
        best, worst = (i, j) if p > 0.5 else (j, i)
        chosen, rejected = own_prompt(row, best), own_prompt(row, worst)
        shared = _shared(chosen, rejected)
        if abs(p - 0.5) < EVEN or not shared:
            continue
        yield {
            "prompt": chosen[:shared],
            "chosen": [*chosen[shared:], _said(row, best)],
            "rejected": [*rejected[shared:], _said(row, worst)],
            "score_chosen": row["score"][best],
            "score_rejected": row["score"][worst],
            "p": max(p, 1 - p),
            "margin": row["margin"],
            **_provenance(row),
        }


def _shared(first: Sequence[Any], second: Sequence[Any]) -> int:
    """How many turns two conversations begin with alike."""
    alike = (one == other for one, other in zip(first, second, strict=False))
    return sum(1 for _ in takewhile(bool, alike))


def whole_prompt(row: Row) -> str:
    """The turns as JSON, with their parts where they have more than text."""
    return str(row.get("messages") or row["prompt"])


def _of(row: Row, field: str, place: int) -> str | None:
    values = row.get(field)
    return values[place] if values else None


def own_prompt(row: Row, place: int) -> list[dict[str, str]]:
    """The turns before a completion, as text: its own where it has some, else the shared ones."""
    own = _of(row, "own_prompts", place)
    return texts(json.loads(own or row["prompt"]))


def texts(turns: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Turns in words alone, as TRL takes them."""
    return [{"role": turn["role"], "content": text_of(turn["content"])} for turn in turns]


def _said(row: Row, place: int) -> dict[str, str]:
    return {"role": "assistant", "content": row["completions"][place]}


def annotations(row: Row) -> Iterator[dict[str, Any]]:
    """One row per label, by pseudonym."""
    yield dict(row)


@dataclass(frozen=True)
class Shape:
    """How stored rows become exported ones. `labels`: reads the labels instead of the rows."""

    rows: Callable[[Row], Iterator[dict[str, Any]]]
    schema: pa.Schema
    labels: bool = False


SHAPES = {
    "pairs": Shape(
        pairs,
        pa.schema(
            [
                ("prompt", pa.string()),
                ("completion_a", pa.string()),
                ("completion_b", pa.string()),
                ("p", pa.float64()),
                ("weight", pa.float64()),
                ("margin", pa.float64()),
                ("generator_a", pa.string()),
                ("generator_b", pa.string()),
                ("licence_a", pa.string()),
                ("licence_b", pa.string()),
                # JSON where there is more than text: documents, parts, own prompts; else null.
                ("context", pa.string()),
                ("parts_a", pa.string()),
                ("prompt_a", pa.string()),
                ("parts_b", pa.string()),
                ("prompt_b", pa.string()),
                *PROVENANCE,
            ]
        ),
    ),
    "listwise": Shape(
        listwise,
        pa.schema(
            [
                ("prompt", pa.string()),
                ("completions", pa.list_(pa.string())),
                ("ranking", pa.list_(pa.int64())),
                ("score", pa.list_(pa.float64())),
                ("unranked", pa.list_(pa.int64())),
                ("parts", pa.list_(pa.string())),
                ("own_prompts", pa.list_(pa.string())),
                ("context", pa.string()),
                ("generators", pa.list_(pa.string())),
                ("licences", pa.list_(pa.string())),
                *PROVENANCE,
            ]
        ),
    ),
    "trl": Shape(
        trl,
        pa.schema(
            [
                ("prompt", MESSAGES),
                ("chosen", MESSAGES),
                ("rejected", MESSAGES),
                ("score_chosen", pa.float64()),
                ("score_rejected", pa.float64()),
                ("p", pa.float64()),
                ("margin", pa.float64()),
                *PROVENANCE,
            ]
        ),
    ),
    "annotations": Shape(
        annotations, pa.schema([*LABELS, pa.field("snapshot", pa.string())]), labels=True
    ),
}
