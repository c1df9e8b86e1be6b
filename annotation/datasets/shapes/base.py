"""What every shape is made of: where it reads, which columns it has, how sides are compared. Pure.

Every row says where it comes from: snapshot, split, instance, source and whether it is simulated.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import takewhile
from typing import Any

import pyarrow as pa
from django.utils.functional import Promise

from annotation.instances.content import EVEN, text_of

Row = Mapping[str, Any]
Made = Iterator[dict[str, Any]]
Criteria = Sequence[Row]
Turns = list[dict[str, str]]

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))
# Columns that an export without provenance leaves out.
PROVENANCE = [
    ("instance_id", pa.string()),
    ("prompt_hash", pa.string()),
    ("split", pa.string()),
    ("source", pa.string()),
    ("simulated", pa.bool_()),
    ("annotators", pa.int64()),
    ("snapshot", pa.string()),
]
# The same of a shape that is made of the labels themselves.
SOURCE = [field for field in PROVENANCE if field[0] not in {"source", "annotators"}]
# Whoever reads a row has to know that nobody gave its label; and a format may sort by split.
KEPT = frozenset({"simulated"})
JSON = {b"json": b"1"}


class Source(Enum):
    """Which files of the snapshot a shape reads."""

    ROWS = "the consensus, a row per instance"
    CASES = "instances with their labels"
    LABELS = "the labels alone, as they are"


@dataclass(frozen=True)
class Shape:
    """How stored rows become exported ones; the columns may depend on what was asked.

    `rows` gets a stored row, or a case, and the criteria. With `orders` every row is numbered from
    0 in the column `order` by that column, the greatest first.
    """

    title: str | Promise
    rows: Callable[[Any, Criteria], Made]
    schema_of: Callable[[Criteria], pa.Schema]
    reads: Source = Source.ROWS
    orders: str = ""


def fixed(*columns: tuple[str, pa.DataType] | pa.Field) -> Callable[[Criteria], pa.Schema]:
    """The columns of a shape that has the same whatever was asked."""
    schema = pa.schema(list(columns))
    return lambda criteria: schema


def json_field(name: str) -> pa.Field:
    """A column of JSON: text in tables, the value itself in JSON Lines."""
    return pa.field(name, pa.string(), metadata=JSON)


def kept(schema: pa.Schema, *, provenance: bool) -> pa.Schema:
    """The columns that are written."""
    left_out = set() if provenance else {name for name, _ in PROVENANCE} - KEPT
    return pa.schema([field for field in schema if field.name not in left_out])


def provenance_of(row: Row) -> dict[str, Any]:
    return {name: row[name] for name, _ in PROVENANCE}


def preference(row: Row, first: int, second: int) -> float:
    """P(first is preferred to second): a pair's own p; in a longer ranking 1, 0 or ½ by worth."""
    if row["pair_p"] is not None:
        return float(row["pair_p"]) if first == 0 else 1 - float(row["pair_p"])
    difference = row["score"][first] - row["score"][second]
    return 0.5 if abs(difference) < EVEN else float(difference > 0)


def better_first(row: Row, i: int, j: int) -> tuple[int, int, float] | None:
    """(chosen, rejected, p of chosen); None for a tie."""
    p = preference(row, i, j)
    if abs(p - 0.5) < EVEN:
        return None
    return (i, j, p) if p > 0.5 else (j, i, 1 - p)


def shared_turns(first: Sequence[Any], second: Sequence[Any]) -> int:
    """How many turns two conversations begin with alike."""
    alike = (one == other for one, other in zip(first, second, strict=False))
    return sum(1 for _ in takewhile(bool, alike))


def whole_prompt(row: Row) -> str:
    """The turns as JSON, with their parts where they have more than text."""
    return str(row.get("messages") or row["prompt"])


def at(row: Row, field: str, place: int) -> str | None:
    """What a column of one value per completion says of one."""
    values = row.get(field)
    return values[place] if values else None


def own_prompt(row: Row, place: int) -> Turns:
    """The turns before a completion, as text: its own where it has some, else the shared ones."""
    own = at(row, "own_prompts", place)
    return texts(json.loads(own or row["prompt"]))


def texts(turns: Sequence[Mapping[str, Any]]) -> Turns:
    """Turns in words alone, as TRL takes them."""
    return [{"role": turn["role"], "content": text_of(turn["content"])} for turn in turns]


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def plain(turns: Turns) -> str:
    r"""A conversation as one text: a single question as it is, else a transcript.

    >>> plain([{"role": "user", "content": "Why?"}])
    'Why?'
    >>> plain([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}])
    '\n\nHuman: a\n\nAssistant: b'
    """
    if len(turns) == 1 and turns[0]["role"] == "user":
        return turns[0]["content"]
    return "".join(f"\n\n{SPEAKERS[turn['role']]}: {turn['content']}" for turn in turns)


SPEAKERS = {"system": "System", "user": "Human", "assistant": "Assistant"}
