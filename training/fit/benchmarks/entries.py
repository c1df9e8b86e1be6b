"""Entries of a benchmark's published files: JSON, JSON lines or parquet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from training.errors import RefusalError

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One prompt of a benchmark.

    Attributes:
        messages: the conversation that the completions answer.
        completions: the right ones first.
        right: how many of them are right.
        name: the entry's id in its file; benchmarks that group entries read it.
    """

    subset: str
    messages: tuple[dict[str, str], ...]
    completions: tuple[str, ...]
    right: int = 1
    name: str = ""


def records_of(path: Path) -> list[Record]:
    """The objects of one file, in file order.

    Raises:
        RefusalError: no such file, not of a known kind, or not a list of objects.
    """
    try:
        found = _read(path)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise RefusalError(
            f"{path.name} cannot be read: {error}", "Take the file as it was published."
        ) from error
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise RefusalError(
            f"{path.name} is not a list of objects.", "Take the file as it was published."
        )
    if not found:
        raise RefusalError(f"{path.name} is empty.", "Take the file as it was published.")
    return found


def _read(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json" and text.lstrip().startswith("["):
        return json.loads(text)
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def field(record: Record, name: str, file: str) -> Any:
    """A field that the format has.

    Raises:
        RefusalError: it is missing.
    """
    if record.get(name) is None:
        raise RefusalError(
            f"{file} lacks `{name}` in one of its entries.", "Check which benchmark the file is of."
        )
    return record[name]


def turns(prompt: object) -> tuple[dict[str, str], ...]:
    """A prompt as messages: published either as text or as a list of messages."""
    if isinstance(prompt, list):
        return tuple({"role": str(m["role"]), "content": str(m["content"])} for m in prompt)
    return ({"role": "user", "content": str(prompt)},)
